"""One subscriber's WebSocket, from its first message to its farewell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from publisher import metrics, protocol
from publisher.desk import Desk, Session
from publisher.messages import Auth, Fault
from publisher.protocol import Farewell
from publisher.settings import PublisherSection
from shared.clock import Clock
from shared.errors import MessageError

_CLOSED = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every connection of a server shares."""

    desk: Desk
    settings: PublisherSection
    clock: Clock
    random: random.Random


async def authenticate(
    ws: web.WebSocketResponse, around: Surroundings
) -> Session | Farewell | None:
    """Wait for the key as the first message; return the session it opens, or why there is none.

    None where the client left before it said anything.
    """
    try:
        async with asyncio.timeout(around.settings.auth_timeout_s):
            message = await ws.receive()
            while message.type in {WSMsgType.PING, WSMsgType.PONG}:
                message = await ws.receive()
    except TimeoutError:
        return protocol.AUTH_TIMEOUT
    if message.type in _CLOSED:
        return None
    if message.type is not WSMsgType.TEXT:
        return protocol.MALFORMED
    try:
        request = protocol.parse(message.data)
    except MessageError:
        # Said without the parser's own words, which may quote a key.
        return protocol.MALFORMED
    return around.desk.enter(request.key) if isinstance(request, Auth) else protocol.UNAUTHENTICATED


async def part(ws: web.WebSocketResponse, farewell: Farewell, around: Surroundings) -> None:
    """Close with the farewell's code, in bounded time; never raises for a peer that is gone."""
    metrics.FAREWELLS.labels(reason=farewell.name).inc()
    after_ms = round(around.random.random() * around.settings.return_within_s * 1000)
    try:
        async with asyncio.timeout(around.settings.close_timeout_s):
            await ws.close(code=farewell.code, message=farewell.reason(after_ms))
    except (TimeoutError, ConnectionError):
        return  # the caller cuts the transport


def refusal(farewell: Farewell) -> bytes:
    """Return the error message that precedes the farewell to somebody without a session."""
    return protocol.encode(Fault(code=farewell.name, message=farewell.meaning))


class Connection:
    """Moves messages between a WebSocket and its session; decides nothing about them.

    It pulls from the hub whenever the socket takes more, so what is not read is conflated there.
    """

    def __init__(
        self, ws: web.WebSocketResponse, session: Session, around: Surroundings, *, is_text: bool
    ) -> None:
        self.session = session
        self._ws = ws
        self._hub = around.desk.hub
        self._settings = around.settings
        self._clock = around.clock
        self._opcode = WSMsgType.TEXT if is_text else WSMsgType.BINARY
        self._work = asyncio.Event()
        self._verdict: asyncio.Future[Farewell | None] = asyncio.get_running_loop().create_future()
        self._heard_s = around.clock.monotonic_s()

    def wake(self) -> None:
        """Have the hub asked again."""
        self._work.set()

    def end(self, farewell: Farewell | None) -> None:
        """End the connection, once; None where the client has left by itself."""
        if not self._verdict.done():
            self._verdict.set_result(farewell)

    async def serve(self) -> Farewell | None:
        """Serve until one side ends it; return the farewell still to be said, if any."""
        self.session.welcome(self._clock.now_ns())
        self.wake()
        name = f"{self.session.principal.name}#{self.session.subscriber}"
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._receive(), name=f"receive {name}"),
                group.create_task(self._send(), name=f"send {name}"),
                group.create_task(self._pulse(), name=f"pulse {name}"),
            ]
            farewell = await self._verdict
            for task in tasks:
                task.cancel()
        if farewell is not None and farewell is not protocol.SLOW:
            await self._write(self._hub.last_words(self.session.subscriber))
        return farewell

    async def _receive(self) -> None:
        while True:
            message = await self._ws.receive()
            self._heard_s = self._clock.monotonic_s()
            if message.type in _CLOSED:
                self.end(None)
                return
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self._answer(message.data)
            elif message.type is WSMsgType.BINARY:
                self.end(protocol.MALFORMED)

    def _answer(self, text: str) -> None:
        farewell = self.session.answer(
            text, now_ns=self._clock.now_ns(), now_s=self._clock.monotonic_s()
        )
        self.wake()
        if farewell is not None:
            self.end(farewell)

    async def _send(self) -> None:
        while True:
            self._work.clear()
            taken = self._hub.take(self.session.subscriber, self._clock.monotonic_s())
            if taken.is_let_go:
                self.end(protocol.SLOW)
                return
            if taken.messages and not await self._write(taken.messages):
                return
            if taken.ticks:
                metrics.DELIVERIES.inc(taken.ticks)
            if taken.wait_s is None:
                await self._work.wait()
            elif taken.wait_s > 0:
                await self._wait(taken.wait_s)

    async def _wait(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._work.wait()
        except TimeoutError:
            return  # what was not due yet is due now

    async def _write(self, messages: Sequence[bytes]) -> bool:
        """Write the messages; False where the client is gone or does not read."""
        try:
            for message in messages:
                async with asyncio.timeout(self._settings.stall_timeout_s):
                    await self._ws.send_frame(message, self._opcode)
        except TimeoutError:
            self.end(protocol.SLOW)
            return False
        except ConnectionError:
            self.end(None)
            return False
        metrics.MESSAGES.inc(len(messages))
        metrics.SENT.inc(sum(map(len, messages)))
        return True

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            silent_s = self._clock.monotonic_s() - self._heard_s
            if silent_s > self._settings.silence_timeout_s:
                self.end(protocol.SILENT)
                return
            self.session.heartbeat(self._clock.now_ns())
            self.wake()
            try:
                await self._ws.ping()
            except ConnectionError:
                self.end(None)
                return
