"""One subscriber's WebSocket, from its welcome to its farewell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from publisher import metrics
from publisher.access.allowance import Allowance
from publisher.fanout.taking import Taken
from publisher.protocol import farewells, frames
from publisher.protocol.farewells import Farewell
from publisher.session.desk import Desk
from publisher.session.session import Session
from publisher.settings import PublisherSection
from shared.clock import Clock

_CLOSED = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})
#: A timer may fire a little early.
_EXPIRY_MARGIN_S = 0.01
_PING_FRAME = frames.header(frames.PING, 0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every connection of a server shares."""

    desk: Desk
    settings: PublisherSection
    clock: Clock
    random: random.Random
    tally: metrics.Tally = field(default_factory=metrics.Tally)


async def part(ws: web.WebSocketResponse, farewell: Farewell, around: Surroundings) -> None:
    """Close with the farewell's code, in bounded time; never raises for a peer that is gone."""
    metrics.FAREWELLS.labels(reason=farewell.name).inc()
    after_ms = round(around.random.random() * around.settings.return_within_s * 1000)
    try:
        async with asyncio.timeout(around.settings.close_timeout_s):
            await ws.close(code=farewell.code, message=farewell.reason(after_ms))
    except (TimeoutError, ConnectionError):
        return  # the caller cuts the transport


class Connection:
    """Moves messages between a WebSocket and its session; decides nothing about them.

    While the socket takes what is written, `deliver` writes without a task of its own. Once it does
    not, one task waits for it; what is not read meanwhile is conflated, or counted, in the hub.
    """

    def __init__(
        self,
        request: web.Request,
        ws: web.WebSocketResponse,
        session: Session,
        around: Surroundings,
        later: Callable[[int, float], None],
    ) -> None:
        assert request.transport is not None
        self.session = session
        self._ws = ws
        self._transport = request.transport
        self._protocol = request.protocol
        self._hub = around.desk.hub
        self._settings = around.settings
        self._clock = around.clock
        self._tally = around.tally
        self._loop = asyncio.get_running_loop()
        self._verdict: asyncio.Future[Farewell | None] = self._loop.create_future()
        self._group: asyncio.TaskGroup | None = None
        self._is_blocked = False
        #: Told when a subscriber wants to be served again.
        self._later = later
        self._heard_s = around.clock.monotonic_s()

    def end(self, farewell: Farewell | None) -> None:
        """End the connection, once; None where the client has left by itself."""
        if not self._verdict.done():
            self._verdict.set_result(farewell)

    async def serve(self) -> Farewell | None:
        """Serve until one side ends it; return the farewell still to be said, if any."""
        self.session.welcome(self._clock.now_ns())
        self._pulsing = self._loop.call_later(self._pulse_s(), self._pulse)
        try:
            async with asyncio.TaskGroup() as self._group:
                name = f"{self.session.principal.name}#{self.session.subscriber}"
                receiving = self._group.create_task(self._receive(), name=f"receive {name}")
                self.deliver()
                farewell = await self._verdict
                receiving.cancel()
        finally:
            self._pulsing.cancel()
        if farewell is not None and farewell is not farewells.SLOW:
            self._say_last_words()
        return farewell

    @property
    def takes(self) -> bool:
        """Tell whether the socket takes what is written."""
        return not (self._is_blocked or self._protocol.writing_paused or self._verdict.done())

    def send(self, frame: bytes) -> None:
        """Write a whole WebSocket frame."""
        if self._transport.is_closing():
            self.end(None)
        else:
            self._transport.write(frame)

    def deliver(self) -> None:
        """Write what the hub owes for as long as the socket takes it."""
        if self._is_blocked or self._verdict.done():
            return
        while not self._protocol.writing_paused:
            taken = self._take()
            if taken.is_let_go:
                return
            for message in taken.messages:
                self._write(message, is_text=taken.is_text)
            if taken.wait_s is None:
                return
            if taken.wait_s > 0:
                self._later(self.session.subscriber, taken.wait_s)
                return
        self._block()

    def _take(self) -> Taken:
        taken = self._hub.take(self.session.subscriber, self._clock.monotonic_s())
        if taken.is_let_go:
            self.end(farewells.SLOW)
        elif taken.messages:
            self._tally.add(taken.ticks, len(taken.messages), sum(map(len, taken.messages)))
        return taken

    def _write(self, message: bytes, *, is_text: bool) -> None:
        opcode = frames.TEXT if is_text else frames.BINARY
        self.send(frames.header(opcode, len(message)) + message)

    def _block(self) -> None:
        assert self._group is not None
        self._is_blocked = True
        self._group.create_task(self._unblock(), name=f"unblock #{self.session.subscriber}")

    async def _unblock(self) -> None:
        """Wait until what was written has gone, then go on."""
        if await self._drained():
            self._is_blocked = False
            self.deliver()

    async def _drained(self) -> bool:
        """Wait; False where the client is gone or does not read."""
        try:
            async with asyncio.timeout(self._settings.stall_timeout_s):
                # A frame sent this way is awaited until the buffer is low again; an answer to it
                # shows besides that the client lives.
                await self._ws.ping()
        except TimeoutError:
            self.end(farewells.SLOW)
            return False
        except ConnectionError:
            self.end(None)
            return False
        return True

    def _say_last_words(self) -> None:
        if self._protocol.writing_paused:
            return
        taken = self._hub.last_words(self.session.subscriber)
        for message in taken.messages:
            self._write(message, is_text=taken.is_text)

    async def _receive(self) -> None:
        allowance = Allowance(self._settings.inbound_share, self._clock)
        while True:
            message = await self._ws.receive()
            self._heard_s = self._clock.monotonic_s()
            if message.type in _CLOSED:
                self.end(None)
                return
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self._answer(message.data)
            await allowance.keep(self._heard_s)
            if self._transport.is_closing():  # what is still unread has nobody to be answered
                self.end(None)
                return

    def _answer(self, message: str | bytes) -> None:
        farewell = self.session.answer(
            message, now_ns=self._clock.now_ns(), now_s=self._clock.monotonic_s()
        )
        if farewell is not None:
            self.end(farewell)
            return
        self.deliver()

    def _pulse_s(self) -> float:
        """Return when to look again: at the next heartbeat, or when the token expires."""
        left_s = self.session.expires_s - self._clock.now_ns() / 1e9
        return min(self._settings.heartbeat_s, max(0.0, left_s) + _EXPIRY_MARGIN_S)

    def _pulse(self) -> None:
        if self._verdict.done():
            return
        if self._clock.now_ns() / 1e9 >= self.session.expires_s:
            self.end(farewells.EXPIRED)
            return
        silent_s = self._clock.monotonic_s() - self._heard_s
        if silent_s > self._settings.silence_timeout_s:
            self.end(farewells.SILENT)
            return
        self._pulsing = self._loop.call_later(self._pulse_s(), self._pulse)
        self.session.heartbeat(self._clock.now_ns())
        if not self._transport.is_closing():
            self._transport.write(_PING_FRAME)
        self.deliver()
