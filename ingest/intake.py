"""Bounded hand-over from the sockets to the streams.

Frames go at once into the open buffer of their shards. Whoever writes the streams takes filled
buffers in order; frames that arrive meanwhile join the next. With all buffers full only the newest
packet of every instrument is kept; what gives way to a newer one is counted and told as a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from shared.kite.codec.overflow import Losses, Overflow
from shared.kite.codec.route import DOES_NOT_FIT, ROUTED, Routed, Router, Sinks, Way, told
from shared.kite.codec.scan import FRAME_REASONS
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_SEVERAL

#: Bytes of segments in one stream entry; a frame of 3,000 full packets is 558,002.
ENTRY_BYTES_MAX = 1024 * 1024
#: Bytes of segments written at once: after an outage much waits, and Redis has to answer in time.
TAKE_BYTES_MAX = 8 * 1024 * 1024


#: Bits of a routed number that are clear when nothing about it is unusual; where packets begin.
_PACKETS_FROM_BIT = 16
_TROUBLE = ~(0xFFFFFF << _PACKETS_FROM_BIT)


class Offered(NamedTuple):
    """What became of one frame; `damage` names why it was refused, "" if it was not.

    `dropped` packets gave way to newer ones of their instruments.
    """

    packets: int = 0
    unknown: int = 0
    dropped: int = 0
    damage: str = ""


@cache
def _whole(packets: int) -> Offered:
    """Return what is said of frames that went in whole; there are only so many sizes."""
    return Offered(packets=packets)


@dataclass(slots=True)
class Load:
    """One buffer per shard with the socket its frames came from, -1 while it is empty."""

    sinks: Sinks
    way: Way
    socket: int = -1

    @property
    def size_bytes(self) -> int:
        """Return the bytes in it."""
        # Of a handful of shards a list is summed faster than an array.
        return sum(self.sinks.fill.tolist())

    def note(self, socket: int) -> None:
        """Remember the socket, or that there were several."""
        self.socket = socket if self.socket in (-1, socket) else SOCKET_SEVERAL


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One entry to be written: shard, header bytes, segments without a copy."""

    shard: int
    header: bytes
    segments: memoryview
    packets: int


class Intake:
    """Buffers between the sockets and the writer; all methods are called on one loop."""

    def __init__(
        self,
        router: Router,
        *,
        account: str,
        version: int,
        loads_max: int,
        epoch: int,
        before: Intake | None = None,
    ) -> None:
        """`before` is what took the frames until now: the sequences go on where it ends."""
        self._router = router
        self._header = np.zeros(1, dtype=RAW_HEADER_DTYPE)
        self._header["account"], self._header["epoch"] = account.encode(), epoch
        self._header["instruments_version"] = version
        # Shared, not copied: what waits in the one before is numbered when it is written.
        self.sequences: list[int] = before.sequences if before else [0] * router.shards
        self._free: deque[Load] = deque(
            Load(sinks, Way(router, sinks))
            for sinks in [Sinks(router.shards, ENTRY_BYTES_MAX) for _ in range(loads_max)]
        )
        self._open = self._free.popleft()
        self._full: deque[Load] = deque()
        self._overflow = Overflow(router)
        self._open.way.route(b"\0", 0)  # loads the compiled code: the first frame must not wait
        self._overflow.warm(self._open.sinks)

    @property
    def waiting(self) -> bool:
        """Say whether there is anything to write."""
        return self._open.socket != -1 or bool(self._full) or self._overflow.is_used

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes that wait to be written."""
        buffered = sum(load.size_bytes for load in (*self._full, self._open))
        return buffered + self._overflow.waiting_bytes

    def offer(self, frame: bytes, received_at_ns: int, socket: int) -> Offered:
        """Take one frame in; while there is no room, the newest of every instrument."""
        if self._overflow.is_used:  # what is kept goes first: newer packets may not overtake it
            return self._keep(frame, received_at_ns)
        load = self._open
        routed = load.way.route(frame, received_at_ns)
        if routed and not routed & _TROUBLE:  # all of it known and routed, as nearly always
            load.note(socket)
            return _whole(routed >> _PACKETS_FROM_BIT)
        return self._offer_again(frame, received_at_ns, socket, told(routed))

    def _offer_again(
        self, frame: bytes, received_at_ns: int, socket: int, routed: Routed
    ) -> Offered:
        if routed.code == DOES_NOT_FIT:
            if not self._free:
                return self._keep(frame, received_at_ns)
            self._rotate()
            routed = told(self._open.way.route(frame, received_at_ns))
        if routed.code == DOES_NOT_FIT:  # larger than any buffer
            return self._keep(frame, received_at_ns)
        if routed.code != ROUTED:
            return Offered(damage=FRAME_REASONS[routed.reason])
        if routed.packets > routed.unknown:
            self._open.note(socket)
        return Offered(packets=routed.packets, unknown=routed.unknown)

    def take(self) -> list[Load]:
        """Return filled buffers, oldest first, within TAKE_BYTES_MAX unless it is only one.

        Give them back once they are written.
        """
        self._pour()
        if self._open.socket != -1 and self._free:
            self._rotate()
        taken: list[Load] = []
        taken_bytes = 0
        while self._full:
            taken_bytes += self._full[0].size_bytes
            if taken and taken_bytes > TAKE_BYTES_MAX:
                break
            taken.append(self._full.popleft())
        return taken

    def give_back(self, loads: list[Load]) -> None:
        """Make written buffers available again, first of all to what was kept without them."""
        for load in loads:
            load.sinks.clear()
            load.socket = -1
            self._free.append(load)
        self._pour()

    def take_losses(self) -> Losses | None:
        """Return what gave way while there was no room, once there is room again."""
        return None if self._overflow.is_used else self._overflow.take_losses()

    def give_up(self) -> Losses | None:
        """Return what gave way until now, though there may be no room yet."""
        return self._overflow.take_losses()

    def entries(self, loads: list[Load]) -> Iterator[RawEntry]:
        """Yield the entries of taken buffers, each with the next sequence number of its shard."""
        header = self._header
        for load in loads:
            counts = load.sinks.packets.tolist()
            for shard, size in enumerate(load.sinks.fill.tolist()):
                if size:
                    header["sequence"], header["shard"] = self.sequences[shard], shard
                    header["packets"], header["socket"] = counts[shard], load.socket
                    self.sequences[shard] += 1
                    segments = load.sinks.segments(shard)
                    yield RawEntry(shard, header.tobytes(), segments, counts[shard])

    def _rotate(self) -> None:
        self._full.append(self._open)
        self._open = self._free.popleft()

    def _keep(self, frame: bytes, received_at_ns: int) -> Offered:
        kept = self._overflow.keep(frame, received_at_ns)
        if kept.reason:
            return Offered(damage=FRAME_REASONS[kept.reason])
        return Offered(packets=kept.packets, unknown=kept.unknown, dropped=kept.lost)

    def _pour(self) -> None:
        """Move what was kept into the buffers there are."""
        while self._overflow.is_used:
            is_done = self._overflow.pour(self._open.sinks)
            if self._open.size_bytes:
                self._open.note(SOCKET_SEVERAL)
            if is_done or not self._free:
                return
            self._rotate()
