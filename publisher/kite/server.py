"""The door of Kite's dialect: a WebSocket at `/`, authorised by its query as Zerodha's is."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
from aiohttp import hdrs, web
from numpy.typing import NDArray

from publisher.access.allowance import Allowance
from publisher.access.tokens import Claimed
from publisher.door.delivering import Rounds
from publisher.door.listening import listen, narrow, runner_of
from publisher.kite import metrics
from publisher.kite.connection import DRAINING, EXPIRED, FRAME_BYTES_MAX, KiteConnection
from publisher.kite.protocol import HEARTBEAT_S
from publisher.kite.session import KiteSession
from publisher.settings import PublisherSection
from shared.clock import Clock
from shared.kite.codec.shelf import Shelf
from shared.runtime.logs import Log
from shared.runtime.supervise import pause

#: Who a pair of api_key and access_token is and until when, None for nobody.
Authorise = Callable[[str, str], Claimed | None]

_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
#: The words Zerodha says beside its refusals; its clients show them.
_REASONS: Final = {_FORBIDDEN: "Forbidden", _TOO_MANY: "TooManyRequests"}


class KiteServer:
    """Lets Kite's own clients in; what each is owed is its session's business."""

    def __init__(
        self, authorise: Authorise, settings: PublisherSection, clock: Clock, log: Log
    ) -> None:
        self._authorise = authorise
        self._clock = clock
        self._settings = settings
        self._log = log
        self._connections: dict[int, KiteConnection] = {}
        self._numbers = itertools.count()
        self._rounds = Rounds(self._serve_many, metrics.WAITED.observe, clock)
        #: Room for one frame: each is written before the next is cut.
        self._out = np.zeros(FRAME_BYTES_MAX, dtype=np.uint8)
        self._held: Counter[str] = Counter()
        self._is_draining = False
        self.shelf = Shelf(np.zeros(0, dtype=np.uint32))
        self.address = ""

    def note(self, rows: NDArray[np.int32]) -> None:
        """Owe the packets of these rows of the shelf to whoever wants them."""
        self._rounds.wake(
            [
                number
                for number, connection in self._connections.items()
                if connection.session.note(rows)
            ]
        )

    def tell(self, account: str, text: bytes) -> int:
        """Queue an order update for every client that may read the account; return how many."""
        told = [
            each for each in self._connections.values() if each.principal.may_read_orders(account)
        ]
        for connection in told:
            connection.session.tell(text)
            connection.wake()
        return len(told)

    def move_to(self, shelf: Shelf) -> None:
        """Serve from another shelf, after other instruments were published."""
        self.shelf = shelf
        for connection in self._connections.values():
            connection.session.move_to(shelf)
            connection.wake()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[KiteServer]:
        """Listen while the block runs; then close every connection, so its client goes elsewhere.

        Raises:
            LocalError: the address cannot be listened on.
        """
        application = web.Application()
        application.add_routes([web.get("/", self._upgrade)])
        runner = await runner_of(application, close_timeout_s=self._settings.close_timeout_s)
        host, port = self._settings.host, self._settings.kite_port
        self.address = await listen(runner, host, port, whom="Kite's clients")
        self._log.info("kite_door.listening", address=self.address)
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rounds.run(ended), name="deliver to Kite's clients")
            group.create_task(self._beat(ended), name="beat for Kite's clients")
            try:
                yield self
            finally:
                self._is_draining = True
                for connection in tuple(self._connections.values()):
                    connection.end(DRAINING)
                await runner.cleanup()
                ended.set()
                self._rounds.stop()

    def _serve_many(self, numbers: Sequence[int]) -> None:
        """Write to these what they are owed."""
        serving = [self._connections[each] for each in numbers if each in self._connections]
        sent = [connection.deliver(self._out) for connection in serving]
        metrics.PACKETS.inc(sum(each.packets for each in sent))
        metrics.SENT.inc(sum(each.bytes for each in sent))

    async def _beat(self, ended: asyncio.Event) -> None:
        """Beat for everybody who heard nothing else; part with those whose token has expired."""
        while not await pause(ended, HEARTBEAT_S):
            now_s = self._clock.now_ns() / 1e9
            for connection in tuple(self._connections.values()):
                if now_s >= connection.expires_s:
                    connection.end(EXPIRED)
                else:
                    connection.beat()

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        admitted = self._admit(request)
        if isinstance(admitted, int):
            metrics.REFUSED.labels(status=str(admitted)).inc()
            return web.Response(status=admitted, reason=_REASONS.get(admitted))
        name = admitted.principal.name
        self._held[name] += 1
        try:
            return await self._serve(request, admitted)
        finally:
            self._held[name] -= 1

    def _admit(self, request: web.Request) -> Claimed | int:
        """Return who it is, or the status that Zerodha would refuse with."""
        key, token = request.query.get("api_key", ""), request.query.get("access_token", "")
        is_upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if not key or not token or not is_upgrade:
            return _BAD_REQUEST
        claimed = self._authorise(key, token)
        if claimed is None or not claimed.principal.may_read_ticks:
            return _FORBIDDEN
        if self._is_draining:
            return _UNAVAILABLE
        is_full = self._held.total() >= self._settings.connections_max  # those arriving as well
        if is_full or self._held[claimed.principal.name] >= self._settings.connections_per_key_max:
            return _TOO_MANY
        return claimed

    async def _serve(self, request: web.Request, claimed: Claimed) -> web.StreamResponse:
        settings, principal = self._settings, claimed.principal
        ws = web.WebSocketResponse(
            timeout=settings.close_timeout_s,
            autoping=False,
            compress=False,
            max_msg_size=settings.request_bytes_max,
            # One byte: a blocked connection waits until what it was sent has gone.
            writer_limit=1,
        )
        await ws.prepare(request)
        narrow(request, settings.send_buffer_bytes)
        session = KiteSession(
            self.shelf,
            instruments_max=settings.kite_instruments_per_connection_max,
            text_bytes_max=settings.queue_bytes_max,
        )
        number = next(self._numbers)
        connection = KiteConnection(
            request,
            ws,
            session,
            principal,
            lambda: self._rounds.wake([number]),
            stall_timeout_s=settings.stall_timeout_s,
        )
        connection.expires_s = claimed.expires_s
        self._connections[number] = connection
        metrics.CONNECTIONS.set(len(self._connections))
        self._log.info("kite_client.connected", principal=principal.name)
        try:
            ended = await connection.serve(Allowance(settings.inbound_share, self._clock))
        finally:
            del self._connections[number]
            metrics.CONNECTIONS.set(len(self._connections))
        metrics.ENDED.labels(reason=ended.reason).inc()
        self._log.info("kite_client.left", principal=principal.name, reason=ended.reason)
        await _part(request, ws, ended.close_code, within_s=settings.close_timeout_s)
        return ws


async def _part(
    request: web.Request, ws: web.WebSocketResponse, code: int, *, within_s: float
) -> None:
    try:
        async with asyncio.timeout(within_s):
            await ws.close(code=code)
    except (TimeoutError, ConnectionError):
        pass  # it is cut off next
    if request.transport is not None:
        request.transport.abort()
