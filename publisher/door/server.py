"""The door: `GET /v1/stream` as a WebSocket, `GET /v1/sse` beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import WSMsgType, hdrs, web

from publisher import metrics
from publisher.door.admission import SUBPROTOCOL, admit_by_message, asked_dialect, refusal
from publisher.door.connection import Connection, Surroundings, part
from publisher.door.delivering import Rounds
from publisher.door.listening import listen, narrow, runner_of
from publisher.door.sse import EventSources
from publisher.fanout.dialects import DIALECTS, Dialect
from publisher.protocol import farewells
from publisher.protocol.farewells import Farewell
from publisher.session.session import Session
from shared.runtime.logs import Log
from shared.runtime.supervise import pause

STREAM_PATH = "/v1/stream"
#: `true`: where the key has its number of connections, the oldest ends for this one.
TAKEOVER_HEADER = "Tickflow-Takeover"
_SCHEME = "bearer"
#: Seconds between two updates of what was delivered.
TALLY_S = 1.0


class Part(Protocol):
    """Something that adds addresses to the server."""

    def attach(self, application: web.Application) -> None:
        """Add them."""
        ...


class Server:
    """Lets subscribers in, wakes them, sends them away; what they get is the hub's business."""

    def __init__(self, around: Surroundings, log: Log) -> None:
        #: What else adds addresses; given before it serves.
        self.parts: Sequence[Part] = ()
        self.hub = around.desk.hub
        self._around = around
        self._settings = around.settings
        self._log = log
        self._connections: dict[int, Connection] = {}
        self._event_sources = EventSources(around)
        self.rounds = Rounds(self._serve_many, metrics.WAITED.observe, around.clock)
        self._unauthenticated = 0
        self._is_draining = False
        self.address = ""

    def wake(self, subscribers: Iterable[int]) -> None:
        """Have these subscribers served soon."""
        self.rounds.wake(subscribers)

    def _serve_many(self, subscribers: Sequence[int]) -> None:
        """Give these what they are owed: all that is plain at once, the rest one by one."""
        connections, taking = self._connections, list[int]()
        for subscriber in subscribers:
            connection = connections.get(subscriber)
            if connection is None:
                self._event_sources.wake(subscriber)
            elif connection.takes:
                taking.append(subscriber)
            else:
                connection.deliver()
        now_s = self._around.clock.monotonic_s()
        parcels, singly = self.hub.take_together(taking, now_s)
        ticks = messages = size = 0
        for subscriber, frame, count in parcels:
            if frame:
                connections[subscriber].send(frame)
                ticks, messages, size = ticks + count, messages + 1, size + len(frame)
        self._around.tally.add(ticks, messages, size)
        for subscriber in singly:
            connections[subscriber].deliver()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        """Listen while the block runs, then send everybody to another publisher.

        Raises:
            LocalError: the address cannot be listened on.
        """
        application = web.Application()
        application.add_routes([web.get(STREAM_PATH, self._stream)])
        self._event_sources.attach(application)
        for extra in self.parts:
            extra.attach(application)
        application.on_response_prepare.append(_anonymous)
        runner = await runner_of(application, close_timeout_s=self._settings.close_timeout_s)
        settings = self._settings
        self.address = await listen(runner, settings.host, settings.port, whom="subscribers")
        self._log.info("publisher.listening", address=self.address)
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rounds.run(ended), name="deliver")
            group.create_task(self._measure(ended), name="count deliveries")
            try:
                yield self
            finally:
                self._is_draining = True
                for connection in tuple(self._connections.values()):
                    connection.end(farewells.DRAINING)
                self._event_sources.drain()
                await runner.cleanup()
                ended.set()
                self.rounds.stop()

    async def _measure(self, ended: asyncio.Event) -> None:
        while not await pause(ended, TALLY_S):
            self._around.tally.hand_over()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        refused = self._refused_at_the_door(request)
        if refused is not None:
            return refused
        dialect = asked_dialect(request.headers)
        if dialect is None:
            return web.json_response({"error": "no such format: json, msgpack, raw"}, status=406)
        header = request.headers.get(hdrs.AUTHORIZATION)
        if header is None:
            return await self._admit_by_message(request, dialect)
        scheme, _, key = header.partition(" ")
        session = self._around.desk.enter(
            key.strip() if scheme.lower() == _SCHEME else "",
            DIALECTS.index(dialect),
            now_s=self._around.clock.now_ns() / 1e9,
            takes_over=request.headers.get(TAKEOVER_HEADER, "").lower() == "true",
        )
        if isinstance(session, Farewell):
            metrics.REFUSED.labels(reason=session.name).inc()
            return _refusal(401 if session is farewells.UNAUTHENTICATED else 429, session)
        try:
            ws = self._socket(dialect)
            await ws.prepare(request)
            return await self._serve(request, ws, session)
        finally:
            self._around.desk.leave(session)

    def _refused_at_the_door(self, request: web.Request) -> web.Response | None:
        if request.query_string:
            # A key in a URL ends up in every log on its way.
            return web.json_response(
                {"error": "this address takes no query; a key goes into a header or a message"},
                status=400,
            )
        if self._is_draining:
            return _refusal(503, farewells.DRAINING)
        return None

    async def _admit_by_message(self, request: web.Request, dialect: Dialect) -> web.StreamResponse:
        if self._unauthenticated >= self._settings.unauthenticated_max:
            metrics.REFUSED.labels(reason="unauthenticated").inc()
            return _refusal(503, farewells.CONNECTIONS)
        ws = self._socket(dialect)
        self._unauthenticated += 1
        try:
            await ws.prepare(request)
            session = await admit_by_message(ws, self._around, dialect)
        finally:
            self._unauthenticated -= 1
        if session is None:
            return ws
        if isinstance(session, Farewell):
            metrics.REFUSED.labels(reason=session.name).inc()
            await ws.send_frame(refusal(session), WSMsgType.TEXT)
            return await self._part(request, ws, session)
        try:
            return await self._serve(request, ws, session)
        finally:
            self._around.desk.leave(session)

    async def _serve(
        self, request: web.Request, ws: web.WebSocketResponse, session: Session
    ) -> web.StreamResponse:
        narrow(request, self._settings.send_buffer_bytes)
        connection = Connection(request, ws, session, self._around, self.rounds.later)
        self._connections[session.subscriber] = connection
        displaced = self._connections.get(-1 if session.displaces is None else session.displaces)
        if displaced is not None:
            displaced.end(farewells.TAKEN_OVER)
        metrics.CONNECTIONS.set(len(self._connections))
        log = self._log.bind(subscriber=session.subscriber, principal=session.principal.name)
        log.info("subscriber.connected")
        try:
            farewell = await connection.serve()
        finally:
            del self._connections[session.subscriber]
            metrics.CONNECTIONS.set(len(self._connections))
        log.info("subscriber.left", farewell=farewell.name if farewell else "")
        return ws if farewell is None else await self._part(request, ws, farewell)

    async def _part(
        self, request: web.Request, ws: web.WebSocketResponse, farewell: Farewell
    ) -> web.StreamResponse:
        await part(ws, farewell, self._around)
        if request.transport is not None:
            # Whoever does not read would otherwise keep its buffer until the kernel gives up.
            request.transport.abort()
        return ws

    def _socket(self, dialect: Dialect) -> web.WebSocketResponse:
        return web.WebSocketResponse(
            protocols=(SUBPROTOCOL + dialect.name,),
            timeout=self._settings.close_timeout_s,
            autoping=False,
            compress=False,
            max_msg_size=self._settings.request_bytes_max,
            # One byte: a blocked connection waits after each message until it has gone.
            writer_limit=1,
        )


async def _anonymous(_request: web.Request, response: web.StreamResponse) -> None:
    """Keep versions to ourselves."""
    response.headers.pop(hdrs.SERVER, None)


def _refusal(status: int, farewell: Farewell) -> web.Response:
    headers = (
        {hdrs.WWW_AUTHENTICATE: "Bearer"} if status == web.HTTPUnauthorized.status_code else {}
    )
    return web.Response(
        status=status, body=refusal(farewell), content_type="application/json", headers=headers
    )
