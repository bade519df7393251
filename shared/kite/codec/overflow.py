"""The newest packet per instrument, kept in a fixed slab while nothing can be written."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.kite.codec.big_endian import Bytes
from shared.kite.codec.moving import copy_bytes
from shared.kite.codec.packets import COUNT_BYTES, FULL_BYTES, LENGTH_BYTES
from shared.kite.codec.route import Router, Sinks, write_header, write_little_endian
from shared.kite.codec.scan import WHOLE, scan_frame
from shared.kite.codec.tokens import ABSENT, lookup
from shared.wire.segments import SEGMENT_HEADER_BYTES

#: No packet that Kite documents is longer; one that is cannot be kept and counts as lost.
KEPT_BYTES_MAX: Final = FULL_BYTES
_NEVER: Final = np.iinfo(np.int64).max

_Columns = tuple[
    npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.int64], npt.NDArray[np.int64]
]


@njit(cache=True, nogil=True, error_model="numpy")
def _lose(
    row: int, received_at_ns: int, lost: npt.NDArray[np.int64], span: npt.NDArray[np.int64]
) -> None:
    """Count one packet of a row as lost; `span` is the first and last receive time of such."""
    lost[row] += 1
    span[0] = min(span[0], received_at_ns)
    span[1] = max(span[1], received_at_ns)


@njit(cache=True, nogil=True, error_model="numpy")
def keep_packets(
    buffer: Bytes,
    received_at_ns: int,
    scratch: tuple[
        npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.int32]
    ],
    table: tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32], npt.NDArray[np.int64]],
    slab: _Columns,
    span: npt.NDArray[np.int64],
) -> tuple[int, int, int, int]:
    """Keep every known packet of a frame in its row; return (packets, unknown, lost, reason).

    `table` is keys and values of a TokenTable, and last_seen_ns of each row. `slab` is bodies,
    shape (rows, KEPT_BYTES_MAX), their lengths (0: none), receive times, and how many packets of
    the row were lost, shape (rows,). What a newer packet replaces is lost.
    With a reason other than WHOLE the frame is damaged and nothing is kept of it.
    """
    offsets, lengths, tokens, _ = scratch
    keys, values, last_seen_ns = table
    bodies, sizes, received, lost = slab
    count, reason, _ = scan_frame(buffer, 0, buffer.size, offsets, lengths, tokens)
    if reason != WHOLE:
        return 0, 0, 0, reason
    unknown = dropped = 0
    for index in range(count):
        row = int(lookup(keys, values, tokens[index]))
        if row == ABSENT:
            unknown += 1
            continue
        last_seen_ns[row] = received_at_ns
        if lengths[index] > KEPT_BYTES_MAX:
            dropped += 1
            _lose(row, received_at_ns, lost, span)
        else:
            if sizes[row]:
                dropped += 1
                _lose(row, received[row], lost, span)
            size = int(np.int64(lengths[index]))
            copy_bytes(bodies[row], 0, buffer, offsets[index], size)
            sizes[row] = size
            received[row] = received_at_ns
    return count, unknown, dropped, reason


@njit(cache=True, nogil=True, error_model="numpy")
def pour_rows(
    order: npt.NDArray[np.int64],
    shard_of: npt.NDArray[np.uint16],
    slab: _Columns,
    begun: npt.NDArray[np.int64],
    sinks: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> int:
    """Append kept packets to their shards, oldest first as `order` says; return how many fitted.

    Packets of one receive time share a segment. `begun`, shape (2, shards), is work: where a
    shard's open segment begins (-1: nowhere) and how many packets are in it. Rows poured are free.
    """
    bodies, sizes, received, _ = slab
    out, fill, packets = sinks
    begun[:] = -1
    newest = np.full(out.shape[0], np.int64(-1))
    for position in range(order.size):
        row = order[position]
        shard = shard_of[row]
        size = int(np.int64(sizes[row]))
        joins = begun[0, shard] >= 0 and newest[shard] == received[row]
        head = 0 if joins else SEGMENT_HEADER_BYTES + COUNT_BYTES
        if fill[shard] + head + LENGTH_BYTES + size > out.shape[1]:
            return position
        if not joins:
            begun[0, shard], begun[1, shard] = fill[shard], 0
            newest[shard] = received[row]
            write_header(out[shard], fill[shard], received[row], COUNT_BYTES)
            fill[shard] += head
        at = fill[shard]
        out[shard, at], out[shard, at + 1] = size >> 8, size & 0xFF
        copy_bytes(out[shard], at + LENGTH_BYTES, bodies[row], 0, size)
        fill[shard] = at + LENGTH_BYTES + size
        _close_segment(out[shard], fill[shard], begun, shard)
        packets[shard] += 1
        sizes[row] = 0
    return order.size


@njit(cache=True, nogil=True, error_model="numpy")
def _close_segment(target: Bytes, end: int, begun: npt.NDArray[np.int64], shard: int) -> None:
    """Write length and packet count of a shard's open segment, which has one more packet now."""
    begun[1, shard] += 1
    frame = begun[0, shard] + SEGMENT_HEADER_BYTES
    write_little_endian(target, begun[0, shard] + 8, end - frame, 4)
    target[frame] = begun[1, shard] >> 8
    target[frame + 1] = begun[1, shard] & 0xFF


class Kept(NamedTuple):
    """What became of one frame; `lost` packets gave way to newer ones. `reason` as in scan."""

    packets: int
    unknown: int
    lost: int
    reason: int


class Losses(NamedTuple):
    """Packets that gave way: how many, of which tokens, first and last receive time in ns."""

    packets: int
    tokens: tuple[int, ...]
    from_ns: int
    to_ns: int


class Overflow:
    """One packet's room per instrument of a router; memory is fixed, and touched on first use."""

    __slots__ = ("_begun", "_router", "_slab", "_span", "is_used", "lost_any")

    def __init__(self, router: Router) -> None:
        rows = router.tokens.size
        self._router = router
        self._slab = (
            np.zeros((rows, KEPT_BYTES_MAX), dtype=np.uint8),
            np.zeros(rows, dtype=np.uint16),
            np.zeros(rows, dtype=np.int64),
            np.zeros(rows, dtype=np.int64),
        )
        self._span = np.array([_NEVER, 0], dtype=np.int64)
        self._begun = np.zeros((2, router.shards), dtype=np.int64)
        #: Whether a packet waits in here; whether one was lost that nobody was told of.
        self.is_used = False
        self.lost_any = False

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes of the packets kept."""
        return int(self._slab[1].sum(dtype=np.int64)) if self.is_used else 0

    def warm(self, sinks: Sinks) -> None:
        """Load the compiled code, so the first frame that needs it does not wait."""
        self.keep(b"\0", 0)
        self.pour(sinks)
        self.is_used = False

    def keep(self, frame: bytes, received_at_ns: int) -> Kept:
        """Keep the newest packet of every instrument in the frame."""
        router = self._router
        if not frame:
            return Kept(0, 0, 0, 1)
        buffer = np.frombuffer(frame, dtype=np.uint8)
        table = (*router.table[:2], router.last_seen_ns)
        kept = Kept(
            *keep_packets(buffer, received_at_ns, router.scratch, table, self._slab, self._span)
        )
        self.is_used = self.is_used or kept.packets > kept.unknown
        self.lost_any = self.lost_any or kept.lost > 0
        return kept

    def pour(self, sinks: Sinks) -> bool:
        """Move what is kept into `sinks`, oldest first; return whether all of it fitted."""
        sizes, received = self._slab[1], self._slab[2]
        rows = np.flatnonzero(sizes)
        order = rows[np.argsort(received[rows], kind="stable")]
        poured = pour_rows(
            order,
            self._router.table[2],
            self._slab,
            self._begun,
            (sinks.out, sinks.fill, sinks.packets),
        )
        self.is_used = poured < order.size
        return not self.is_used

    def take_losses(self) -> Losses | None:
        """Return what was lost since the last time, if anything was."""
        if not self.lost_any:
            return None
        lost = self._slab[3]
        rows = np.flatnonzero(lost)
        tokens = tuple(int(token) for token in np.sort(self._router.tokens[rows]))
        losses = Losses(int(lost.sum()), tokens, int(self._span[0]), int(self._span[1]))
        lost[:] = 0
        self._span[:] = _NEVER, 0
        self.lost_any = False
        return losses
