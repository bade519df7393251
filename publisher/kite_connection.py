"""One client of Kite's dialect, from the upgrade of its connection to its end."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from aiohttp import WSMsgType, web

from publisher import kite_metrics as metrics
from publisher.auth import Principal
from publisher.kite_protocol import HEARTBEAT, HEARTBEAT_S
from publisher.kite_session import KiteSession

#: Size at which a frame ends: some three hundred full packets.
FRAME_BYTES_MAX: Final = 64 * 1024

_CLOSED = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a connection ended; `reason` is of a closed set: left, slow, draining, expired."""

    reason: str
    close_code: int = 1000


LEFT: Final = Ended("left")
SLOW: Final = Ended("slow", 1008)
DRAINING: Final = Ended("draining", 1001)
#: Come again with a new token: this one would be refused with 403.
EXPIRED: Final = Ended("expired", 1008)
#: A timer may fire a little early.
_EXPIRY_MARGIN_S: Final = 0.01


class KiteConnection:
    """Moves frames between a WebSocket and its session; decides nothing about them."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        session: KiteSession,
        principal: Principal,
        *,
        stall_timeout_s: float,
    ) -> None:
        self.session = session
        self.principal = principal
        self._ws = ws
        self._stall_timeout_s = stall_timeout_s
        self._work = asyncio.Event()
        self._verdict: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._expiring: asyncio.TimerHandle | None = None
        self._out = np.zeros(FRAME_BYTES_MAX, dtype=np.uint8)

    def wake(self) -> None:
        """Have the session asked what it is owed."""
        self._work.set()

    def end(self, ended: Ended) -> None:
        """End the connection; the first reason stands."""
        if not self._verdict.done():
            self._verdict.set_result(ended)

    def end_at(self, left_s: float) -> None:
        """End the connection in so many seconds, when its token is good no longer; inf: never."""
        if left_s < math.inf:
            loop = asyncio.get_running_loop()
            self._expiring = loop.call_later(left_s + _EXPIRY_MARGIN_S, self.end, EXPIRED)

    async def serve(self) -> Ended:
        """Serve until one side ends it."""
        try:
            return await self._serve()
        finally:
            if self._expiring is not None:
                self._expiring.cancel()

    async def _serve(self) -> Ended:
        async with asyncio.TaskGroup() as group:
            name = self.principal.name
            tasks = [
                group.create_task(self._receive(), name=f"kite receive {name}"),
                group.create_task(self._send(), name=f"kite send {name}"),
            ]
            ended = await self._verdict
            for task in tasks:
                task.cancel()
        return ended

    async def _receive(self) -> None:
        while True:
            message = await self._ws.receive()
            if message.type in _CLOSED:
                self.end(LEFT)
                return
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self.session.answer(message.data)
                self.wake()

    async def _send(self) -> None:
        while not self._verdict.done():
            self._work.clear()
            if self.session.is_overrun:
                self.end(SLOW)
                return
            for text in self.session.take_texts():
                await self._write(text, WSMsgType.TEXT)
            frame, packets = self.session.cut(self._out)
            if packets:
                # A copy, since the transport may keep what the kernel does not take at once.
                await self._write(bytes(frame), WSMsgType.BINARY)
                metrics.PACKETS.inc(packets)
            elif not self.session.is_owed:
                await self._idle()

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._work.wait()
        except TimeoutError:
            await self._write(HEARTBEAT, WSMsgType.BINARY)

    async def _write(self, message: bytes, opcode: WSMsgType) -> None:
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                await self._ws.send_frame(message, opcode)
        except TimeoutError:
            self.end(SLOW)
        except ConnectionError:
            self.end(LEFT)
        else:
            metrics.SENT.inc(len(message))
