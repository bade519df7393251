"""Tapes cut into slices in the order of time, each with the moment it is due."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.wire.segments import SEGMENT_HEADER_BYTES, iterate
from shared.wire.tape import Block, TapeHeader
from shared.wire.tape_reader import packets_of


class Slice(NamedTuple):
    """Whole segments of one shard that go out together; times in Unix nanoseconds."""

    first_ns: int
    last_ns: int
    shard: int
    account: str
    socket: int
    instruments_version: int
    packets: int
    segments: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """How large a slice may be: a longer one goes out less punctually, in fewer entries."""

    bytes_max: int = 256 * 1024
    #: Time on the tape from the first to the last segment of a slice; 0 for no bound.
    span_ns_max: int = 0
    #: Segments received earlier are left out.
    from_ns: int = 0


def slices(header: TapeHeader, block: Block, cut: Cut) -> Iterator[Slice]:
    """Yield the slices of one block of segments, every segment in exactly one, in their order.

    Raises:
        MessageError: the payload is not whole segments.
    """
    begin = end = first_ns = last_ns = packets = 0
    for at_ns, frame in iterate(block.payload):
        size = SEGMENT_HEADER_BYTES + len(frame)
        full = end + size - begin > cut.bytes_max
        late = cut.span_ns_max and at_ns - first_ns > cut.span_ns_max
        if end > begin and (full or late or at_ns < cut.from_ns):
            yield _slice(header, block, (begin, end), (first_ns, last_ns), packets)
            begin, packets = end, 0
        if at_ns < cut.from_ns:
            begin = end = end + size
            continue
        if end == begin:
            first_ns = last_ns = at_ns
        # Sockets of several accounts are stamped apart: times may step back a little.
        first_ns, last_ns = min(first_ns, at_ns), max(last_ns, at_ns)
        packets += packets_of(frame)
        end += size
    if end > begin:
        yield _slice(header, block, (begin, end), (first_ns, last_ns), packets)


def merged(tapes: Iterable[Iterable[Slice]]) -> Iterator[Slice]:
    """Yield the slices of several tapes by time; those of one tape keep their order."""
    return heapq.merge(*tapes, key=lambda piece: piece.first_ns)


class Pace:
    """When what was received at some moment of the tape is due now."""

    def __init__(self, speed: float | None, now_s: float) -> None:
        """`speed` is how many seconds of the tape pass in one of ours, None for no waiting."""
        self._speed = speed
        self._now_s = now_s
        self._origin_ns: int | None = None

    def due_s(self, at_ns: int) -> float:
        """Return our monotonic second for a moment of the tape; the first one asked for is now."""
        if self._speed is None:
            return self._now_s
        if self._origin_ns is None:
            self._origin_ns = at_ns
        return self._now_s + (at_ns - self._origin_ns) / 1e9 / self._speed


def _slice(
    header: TapeHeader, block: Block, part: tuple[int, int], times: tuple[int, int], packets: int
) -> Slice:
    return Slice(
        first_ns=times[0],
        last_ns=times[1],
        shard=header.shard,
        account=block.account,
        socket=block.socket,
        instruments_version=header.instruments_version,
        packets=packets,
        segments=block.payload[part[0] : part[1]],
    )
