"""One client of Kite's dialect, from the upgrade of its connection to its end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from aiohttp import WSMsgType, web
from numpy.typing import NDArray

from publisher.access.allowance import Allowance
from publisher.access.auth import Principal
from publisher.kite.protocol import HEARTBEAT
from publisher.kite.session import KiteSession
from publisher.protocol import frames

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


class Sent(NamedTuple):
    """What one delivery wrote."""

    packets: int = 0
    bytes: int = 0


class KiteConnection:
    """Moves frames between a WebSocket and its session; decides nothing about them.

    While the socket takes what is written, `deliver` writes without a task of its own. Once it does
    not, one task waits for it; meanwhile ticks are conflated in the session.
    """

    def __init__(
        self,
        request: web.Request,
        ws: web.WebSocketResponse,
        session: KiteSession,
        principal: Principal,
        wake: Callable[[], None],
        *,
        stall_timeout_s: float,
    ) -> None:
        assert request.transport is not None
        self.session = session
        self.principal = principal
        #: Have it served soon.
        self.wake = wake
        #: Unix seconds after which its token is good no longer.
        self.expires_s = math.inf
        self._ws = ws
        self._transport = request.transport
        self._protocol = request.protocol
        self._stall_timeout_s = stall_timeout_s
        self._verdict: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._group: asyncio.TaskGroup | None = None
        #: Waits until the socket takes more, while it takes nothing.
        self._unblocking: asyncio.Task[None] | None = None
        self._has_written = True

    def end(self, ended: Ended) -> None:
        """End the connection; the first reason stands."""
        if not self._verdict.done():
            self._verdict.set_result(ended)

    async def serve(self, allowance: Allowance) -> Ended:
        """Serve until one side ends it; the client's messages have this allowance."""
        async with asyncio.TaskGroup() as self._group:
            name = f"kite receive {self.principal.name}"
            receiving = self._group.create_task(self._receive(allowance), name=name)
            self.wake()
            ended = await self._verdict
            receiving.cancel()
            if self._unblocking is not None:
                self._unblocking.cancel()
        return ended

    def deliver(self, out: NDArray[np.uint8]) -> Sent:
        """Write what is owed for as long as the socket takes it; `out` is room for one frame."""
        if self.session.is_overrun:
            self.end(SLOW)
        packets = size = 0
        while self.session.is_owed and self._takes():
            text = self.session.take_text()
            if text is not None:
                self._write(text, frames.TEXT)
                size += len(text)
                continue
            frame, cut = self.session.cut(out)
            if not cut:
                break
            self._write(frame, frames.BINARY)
            packets, size = packets + cut, size + len(frame)
        if self._protocol.writing_paused and self._unblocking is None:
            self._block()
        return Sent(packets, size)

    def beat(self) -> None:
        """Say that we are here, if nothing was said since the last beat."""
        if not self._has_written and self._takes():
            self._write(HEARTBEAT, frames.BINARY)
        self._has_written = False

    def _takes(self) -> bool:
        return not (self._unblocking or self._protocol.writing_paused or self._verdict.done())

    def _write(self, message: bytes | memoryview, opcode: int) -> None:
        self._has_written = True
        if self._transport.is_closing():
            self.end(LEFT)
        else:
            # A copy, since the transport may keep what the kernel does not take at once.
            self._transport.write(b"".join((frames.header(opcode, len(message)), message)))

    def _block(self) -> None:
        if self._group is None or self._verdict.done():
            return
        name = f"kite unblock {self.principal.name}"
        self._unblocking = self._group.create_task(self._unblock(), name=name)

    async def _unblock(self) -> None:
        """Wait until what was written has gone, then go on."""
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                # A frame sent this way is awaited until the buffer is low again.
                await self._ws.send_frame(HEARTBEAT, WSMsgType.BINARY)
        except TimeoutError:
            self.end(SLOW)
        except ConnectionError:
            self.end(LEFT)
        else:
            self._unblocking = None
            self.wake()

    async def _receive(self, allowance: Allowance) -> None:
        while True:
            message = await self._ws.receive()
            begun_s = allowance.now_s
            if message.type in _CLOSED:
                self.end(LEFT)
                return
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self.session.answer(message.data)
                self.wake()
            await allowance.keep(begun_s)
            if self._transport.is_closing():
                self.end(LEFT)
                return
