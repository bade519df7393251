"""A tape played to the subscribers in place of the simulated market's ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator
from typing import Any, Protocol

from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.tape import Recorded, TapeFiles

NS_PER_S = 1_000_000_000
#: Frames read from the tape at once, off the loop.
LOT_FRAMES_MAX = 256
_LENGTH_BYTES = 2
_TOKEN_BYTES = 4


class Subscribers(Protocol):
    """Whom frames go to."""

    subscribed: asyncio.Event

    async def broadcast(self, packets: list[tuple[int, bytes]]) -> None:
        """Send each connection those (token, packet with its length) that it watches."""
        ...


class TapePlayer:
    """Sends recorded frames at `speed` times their pace, from the first subscription on."""

    def __init__(
        self, tape: TapeFiles, subscribers: Subscribers, clock: MarketClock, speed: float
    ) -> None:
        """`speed` 0 is full speed."""
        self._tape = tape
        self._subscribers = subscribers
        self._clock = clock
        self._speed = speed
        self._frames_sent = 0
        self._at_ns = 0
        self._state = "waiting"

    async def run(self) -> None:
        """Play the tape once; ends with it."""
        await self._subscribers.subscribed.wait()
        self._state = "playing"
        began_s, first_ns = self._clock.monotonic_s(), 0
        frames = self._tape.frames()
        while lot := await asyncio.to_thread(_lot, frames):
            first_ns = first_ns or lot[0].at_ns
            for recorded in lot:
                await self._until(began_s, recorded.at_ns - first_ns)
                await self._subscribers.broadcast(split(recorded.frame))
                self._frames_sent += 1
                self._at_ns = recorded.at_ns
        self._state = "ended"

    def public(self) -> dict[str, Any]:
        """Return what the control interface shows."""
        return {
            "state": self._state,
            "frames": self._frames_sent,
            "at_ns": str(self._at_ns),
            "damages": self._tape.damages,
        }

    async def _until(self, began_s: float, elapsed_ns: int) -> None:
        due_s = began_s + elapsed_ns / NS_PER_S / self._speed if self._speed else began_s
        await asyncio.sleep(max(0.0, due_s - self._clock.monotonic_s()))


def split(frame: bytes) -> list[tuple[int, bytes]]:
    """Return the packets of a frame as (token, packet with its length prefix); whole ones only."""
    packets: list[tuple[int, bytes]] = []
    offset = 2
    for _ in range(int.from_bytes(frame[:2], "big")):
        length = int.from_bytes(frame[offset : offset + _LENGTH_BYTES], "big")
        end = offset + _LENGTH_BYTES + length
        if length < _TOKEN_BYTES or end > len(frame):
            break
        body = frame[offset:end]
        packets.append((int.from_bytes(body[_LENGTH_BYTES : _LENGTH_BYTES + 4], "big"), body))
        offset = end
    return packets


def frame_for(packets: list[tuple[int, bytes]], watched: Container[int]) -> bytes:
    """Return a frame of those packets that are watched, empty for none."""
    chosen = [body for token, body in packets if token in watched]
    return len(chosen).to_bytes(2, "big") + b"".join(chosen) if chosen else b""


def _lot(frames: Iterator[Recorded]) -> list[Recorded]:
    lot: list[Recorded] = []
    for recorded in frames:
        lot.append(recorded)
        if len(lot) >= LOT_FRAMES_MAX:
            break
    return lot
