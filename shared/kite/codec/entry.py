"""A stream entry's segments scanned in one call, so that frames of one packet stay cheap."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.kite.codec.big_endian import Bytes
from shared.kite.codec.packets import FRAME_PACKETS_MAX
from shared.kite.codec.scan import TOO_MANY_PACKETS, WHOLE, scan_frame
from shared.wire.segments import FRAME_BYTES_MAX, SEGMENT_HEADER_BYTES

#: How an entry's scan ended.
COMPLETE: Final = 0
#: A segment's header or frame runs past the end, or is longer than any frame: the rest is lost.
BROKEN: Final = 1
#: The next frame's packets do not fit the columns: go on at `position` once these are used.
FULL_COLUMNS: Final = 2


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _read_little_endian(buffer: Bytes, offset: int, count: int) -> np.uint64:
    at, value = np.uintp(offset), np.uint64(0)
    for index in range(count):
        shift = np.uint64(8 * index)
        value |= np.uint64(buffer[at + np.uintp(index)]) << shift
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def scan_entry(
    buffer: Bytes,
    start: int,
    columns: tuple[
        npt.NDArray[np.int64],
        npt.NDArray[np.uint16],
        npt.NDArray[np.uint32],
        npt.NDArray[np.uint64],
    ],
) -> tuple[int, int, int, int]:
    """Write every packet of buffer[start:]'s segments; return (count, damaged, end, position).

    `columns` is offsets, lengths, tokens, received_at_ns, shape (packets_max,). `damaged` counts
    frames that were left out whole because they are not sound; `end` is COMPLETE, BROKEN or
    FULL_COLUMNS, `position` the byte behind the last segment used: go on there after FULL_COLUMNS.
    Columns of FRAME_PACKETS_MAX take any frame; smaller ones call a larger frame damaged.
    """
    offsets, lengths, tokens, received = columns
    count, damaged, position = 0, 0, start
    while position < buffer.size:
        frame = position + SEGMENT_HEADER_BYTES
        if frame > buffer.size:
            return count, damaged, BROKEN, position
        received_at_ns = _read_little_endian(buffer, position, 8)
        length = int(np.int64(_read_little_endian(buffer, position + 8, 4)))
        if length > buffer.size - frame or length > FRAME_BYTES_MAX:
            return count, damaged, BROKEN, position
        end = frame + length
        found, reason, _ = scan_frame(
            buffer, frame, end, offsets[count:], lengths[count:], tokens[count:]
        )
        if reason == TOO_MANY_PACKETS and count:
            return count, damaged, FULL_COLUMNS, position
        if reason == WHOLE:
            received[count : count + found] = received_at_ns
            count += found
        else:
            damaged += 1
        position = end
    return count, damaged, COMPLETE, position


class Scanned(NamedTuple):
    """What an entry held: packets now in the columns, frames left out, how it ended, where."""

    packets: int
    damaged: int
    end: int
    position: int


class Columns:
    """Where every packet of an entry lies and when it arrived; used again for every entry."""

    __slots__ = ("lengths", "offsets", "received_at_ns", "tokens")

    def __init__(self, packets_max: int = FRAME_PACKETS_MAX) -> None:
        self.offsets = np.zeros(packets_max, dtype=np.int64)
        self.lengths = np.zeros(packets_max, dtype=np.uint16)
        self.tokens = np.zeros(packets_max, dtype=np.uint32)
        self.received_at_ns = np.zeros(packets_max, dtype=np.uint64)

    def scan(self, entry: bytes, start: int = 0) -> Scanned:
        """Fill the columns from the segments of `entry` that begin at byte `start`."""
        buffer = np.frombuffer(entry, dtype=np.uint8) if entry else np.zeros(0, np.uint8)
        columns = (self.offsets, self.lengths, self.tokens, self.received_at_ns)
        return Scanned(*scan_entry(buffer, start, columns))
