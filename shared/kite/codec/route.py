"""A frame's packets sorted into one segment per shard, without decoding a price."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import carray, njit  # type: ignore[attr-defined]  # it does not say so

from shared.kite.codec.addresses import pointer
from shared.kite.codec.big_endian import Bytes
from shared.kite.codec.moving import copy_bytes
from shared.kite.codec.packets import COUNT_BYTES, FRAME_PACKETS_MAX, LENGTH_BYTES
from shared.kite.codec.scan import WHOLE, Scratch, scan_frame
from shared.kite.codec.tokens import ABSENT, TokenTable, lookup
from shared.wire.segments import SEGMENT_HEADER_BYTES

ROUTED: Final = 0
#: A shard's buffer cannot take its segment; nothing was written. Hand the buffers on, try again.
DOES_NOT_FIT: Final = 1
#: The frame is damaged; nothing was written.
DAMAGED: Final = 2


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def write_little_endian(buffer: Bytes, at: int, value: int, count: int) -> None:
    """Write the low `count` bytes of `value` at `at`."""
    for index in range(count):
        buffer[at + index] = (value >> (8 * index)) & 0xFF


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def write_header(buffer: Bytes, at: int, received_at_ns: int, length: int) -> int:
    """Write a segment's header; return where its frame begins."""
    write_little_endian(buffer, at, received_at_ns, 8)
    write_little_endian(buffer, at + 8, length, 4)
    return at + SEGMENT_HEADER_BYTES


@njit(cache=True, nogil=True, error_model="numpy")
def _assign(
    tokens: npt.NDArray[np.uint32],
    count: int,
    keys: npt.NDArray[np.uint32],
    values: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
) -> int:
    """Write every packet's instrument row, -1 for unknown tokens; return how many are unknown."""
    unknown = 0
    for index in range(count):
        row = lookup(keys, values, tokens[index])
        rows[index] = row
        if row == ABSENT:
            unknown += 1
    return unknown


@njit(cache=True, nogil=True, error_model="numpy")
def _measure(
    lengths: npt.NDArray[np.uint16],
    count: int,
    rows: npt.NDArray[np.int32],
    shard_of: npt.NDArray[np.uint16],
    needed: npt.NDArray[np.int64],
    counted: npt.NDArray[np.int64],
) -> None:
    """Write per shard how many packets it gets and how many bytes its frame takes."""
    needed[:] = 0
    counted[:] = 0
    for index in range(count):
        if rows[index] != ABSENT:
            shard = shard_of[rows[index]]
            needed[shard] += LENGTH_BYTES + lengths[index]
            counted[shard] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _all_fit(needed: npt.NDArray[np.int64], fill: npt.NDArray[np.int64], capacity: int) -> bool:
    for shard in range(needed.size):
        if needed[shard]:
            segment = SEGMENT_HEADER_BYTES + COUNT_BYTES + needed[shard]
            if fill[shard] + segment > capacity:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _open_segments(
    received_at_ns: int,
    needed: npt.NDArray[np.int64],
    counted: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
    fill: npt.NDArray[np.int64],
) -> None:
    """Write header and packet count of every shard that gets packets; move its fill behind them."""
    for shard in range(needed.size):
        if counted[shard]:
            at = write_header(out[shard], fill[shard], received_at_ns, COUNT_BYTES + needed[shard])
            out[shard, at] = counted[shard] >> 8
            out[shard, at + 1] = counted[shard] & 0xFF
            fill[shard] = at + COUNT_BYTES


@njit(cache=True, nogil=True, error_model="numpy")
def _append_whole(
    buffer: Bytes, received_at_ns: int, target: Bytes, fill: npt.NDArray[np.int64], shard: int
) -> None:
    """Append the frame as it came, as one segment."""
    at = write_header(target, fill[shard], received_at_ns, buffer.size)
    copy_bytes(target, at, buffer, 0, buffer.size)
    fill[shard] = at + buffer.size


@njit(cache=True, nogil=True, error_model="numpy")
def _append_packets(
    buffer: Bytes,
    scanned: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.int32]],
    count: int,
    shard_of: npt.NDArray[np.uint16],
    sinks: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
) -> None:
    """Append every known packet with its length to its shard's open segment."""
    offsets, lengths, rows = scanned
    out, fill = sinks
    for index in range(count):
        if rows[index] != ABSENT:
            shard = shard_of[rows[index]]
            size = int(np.int64(lengths[index])) + LENGTH_BYTES
            copy_bytes(out[shard], fill[shard], buffer, offsets[index] - LENGTH_BYTES, size)
            fill[shard] += size


@njit(cache=True, nogil=True, error_model="numpy")
def route_frame(
    buffer: Bytes,
    received_at_ns: int,
    scratch: tuple[
        npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.int32]
    ],
    table: tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32], npt.NDArray[np.uint16]],
    work: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    sinks: tuple[
        npt.NDArray[np.uint8],
        npt.NDArray[np.int64],
        npt.NDArray[np.int64],
        npt.NDArray[np.int64],
    ],
) -> tuple[int, int, int, int, int]:
    """Append one segment per shard present; return (code, packets, unknown, reason, position).

    `scratch` is offsets, lengths, tokens, rows, shape (packets_max,); `table` is the keys and
    values of a TokenTable whose values are rows, and the shard of each row; `work` is bytes and
    packets per shard, shape (shards,); `sinks` is out, shape (shards, capacity), its fill and the
    packets in it, shape (shards,), and last_seen_ns, shape (rows,).

    Packets of unknown tokens are counted, not routed. When all packets belong to one shard the
    frame is copied as it came. Unless the code is ROUTED nothing has been written to `sinks`.
    """
    offsets, lengths, tokens, rows = scratch
    keys, values, shard_of = table
    needed, counted = work
    out, fill, packets, last_seen_ns = sinks
    count, reason, position = scan_frame(buffer, 0, buffer.size, offsets, lengths, tokens)
    if reason != WHOLE:
        return DAMAGED, count, 0, reason, position
    unknown = _assign(tokens, count, keys, values, rows)
    _measure(lengths, count, rows, shard_of, needed, counted)
    if not _all_fit(needed, fill, out.shape[1]):
        return DOES_NOT_FIT, count, unknown, reason, position
    if count == unknown:
        return ROUTED, count, unknown, reason, position
    shard = shard_of[rows[0]] if rows[0] != ABSENT else 0
    if counted[shard] == count:
        _append_whole(buffer, received_at_ns, out[shard], fill, shard)
    else:
        _open_segments(received_at_ns, needed, counted, out, fill)
        _append_packets(buffer, (offsets, lengths, rows), count, shard_of, (out, fill))
    for index in range(count):
        if rows[index] != ABSENT:
            last_seen_ns[rows[index]] = received_at_ns
    for shard in range(counted.size):
        packets[shard] += counted[shard]
    return ROUTED, count, unknown, reason, position


@njit(cache=True, nogil=True, error_model="numpy")
def route_along(
    buffer: Bytes,
    received_at_ns: int,
    places: npt.NDArray[np.int64],
) -> int:
    """Do `route_frame` with arrays found by their addresses; return a `Way`'s number.

    To hand fourteen arrays over costs several times what routing twenty packets does. `places` are
    addresses in the order of `route_frame`, then the sizes of table, rows, shards, capacity.
    """
    table, rows, shards, capacity = places[13], places[14], places[15], places[16]
    code, packets, unknown, reason, _ = route_frame(
        buffer,
        received_at_ns,
        (
            carray(pointer(places[0]), (FRAME_PACKETS_MAX,), np.int64),
            carray(pointer(places[1]), (FRAME_PACKETS_MAX,), np.uint16),
            carray(pointer(places[2]), (FRAME_PACKETS_MAX,), np.uint32),
            carray(pointer(places[3]), (FRAME_PACKETS_MAX,), np.int32),
        ),
        (
            carray(pointer(places[4]), (table,), np.uint32),
            carray(pointer(places[5]), (table,), np.int32),
            carray(pointer(places[6]), (rows,), np.uint16),
        ),
        (
            carray(pointer(places[7]), (shards,), np.int64),
            carray(pointer(places[8]), (shards,), np.int64),
        ),
        (
            carray(pointer(places[9]), (shards, capacity), np.uint8),
            carray(pointer(places[10]), (shards,), np.int64),
            carray(pointer(places[11]), (shards,), np.int64),
            carray(pointer(places[12]), (rows,), np.int64),
        ),
    )
    return (unknown << 40) | (packets << 16) | (reason << 4) | code


class Sinks:
    """One output buffer per shard; filled by a Router, emptied by whoever writes the streams."""

    __slots__ = ("fill", "out", "packets")

    def __init__(self, shards: int, capacity_bytes: int) -> None:
        self.out = np.zeros((shards, capacity_bytes), dtype=np.uint8)
        self.fill = np.zeros(shards, dtype=np.int64)
        self.packets = np.zeros(shards, dtype=np.int64)

    def segments(self, shard: int) -> memoryview:
        """Return the shard's segments without a copy; valid until the sinks are filled again."""
        return memoryview(self.out[shard])[: int(self.fill[shard])]

    def clear(self) -> None:
        """Forget what was written; the bytes stay where they are until overwritten."""
        self.fill[:] = 0
        self.packets[:] = 0


class Routed(NamedTuple):
    """What became of one frame: code, packets in it, unknown tokens; why and where it is damaged.

    `code` is ROUTED, DOES_NOT_FIT or DAMAGED; `reason` indexes `scan.FRAME_REASONS`.
    """

    code: int
    packets: int
    unknown: int
    reason: int
    position: int


class Router:
    """Which shard every instrument belongs to, and when it was last heard of."""

    __slots__ = ("last_seen_ns", "scratch", "shards", "table", "tokens", "work")

    def __init__(
        self, tokens: npt.NDArray[np.uint32], shard_of: npt.NDArray[np.uint16], shards: int
    ) -> None:
        """Route `tokens` to their `shard_of`, both shape (n,), a shard being below `shards`.

        Raises:
            ValueError: shapes differ, a token occurs twice, or a shard is out of range.
        """
        if shard_of.size and int(shard_of.max()) >= shards:
            raise ValueError(f"shard {int(shard_of.max())} must be below {shards}")
        if shard_of.shape != tokens.shape:
            raise ValueError(f"tokens {tokens.shape} and shards {shard_of.shape} must be as many")
        table = TokenTable.build(tokens, np.arange(tokens.size, dtype=np.int32))
        self.shards = shards
        self.tokens = tokens
        #: Receive time per row of `tokens`, Unix ns; 0: never. Read it whenever you like.
        self.last_seen_ns = np.zeros(tokens.size, dtype=np.int64)
        #: Keys and values of the token table, and the shard of each row; for compiled code.
        self.table = (table.keys, table.values, np.ascontiguousarray(shard_of, dtype=np.uint16))
        scan = Scratch(FRAME_PACKETS_MAX)
        #: Offsets, lengths, tokens, rows of the frame at hand; whoever scans next writes over it.
        rows = np.zeros(FRAME_PACKETS_MAX, dtype=np.int32)
        self.scratch = (scan.offsets, scan.lengths, scan.tokens, rows)
        #: Bytes and packets per shard of the frame at hand.
        self.work = (np.zeros(shards, dtype=np.int64), np.zeros(shards, dtype=np.int64))

    def route(self, frame: bytes, received_at_ns: int, sinks: Sinks) -> Routed:
        """Append the frame's packets to their shards' sinks, all or nothing."""
        if not frame:
            return Routed(DAMAGED, 0, 0, 1, 0)
        buffer = np.frombuffer(frame, dtype=np.uint8)
        into = (sinks.out, sinks.fill, sinks.packets, self.last_seen_ns)
        return Routed(
            *route_frame(buffer, received_at_ns, self.scratch, self.table, self.work, into)
        )


class Way:
    """A router with the sinks it fills: both known to compiled code by where they lie."""

    __slots__ = ("_kept", "_places")

    def __init__(self, router: Router, sinks: Sinks) -> None:
        arrays = (
            *router.scratch,
            *router.table,
            *router.work,
            *(sinks.out, sinks.fill, sinks.packets, router.last_seen_ns),
        )
        # Whoever holds an address holds the array, too.
        self._kept = arrays
        places = [each.ctypes.data for each in arrays]
        sizes = (router.table[0].size, router.tokens.size, *sinks.out.shape)
        self._places = np.array([*places, *sizes], dtype=np.int64)

    def route(self, frame: bytes, received_at_ns: int) -> int:
        """Append the frame's packets to their shards' sinks, all or nothing; as one number.

        Bits 0 to 3 are the code, 4 to 15 the reason, 16 to 39 the packets, those above the
        unknown ones: what is below 1 << 40 and has its lowest 16 bits clear went well whole.
        """
        if not frame:
            return _EMPTY
        buffer = np.frombuffer(frame, dtype=np.uint8)
        number: int = route_along(buffer, received_at_ns, self._places)
        return number


_EMPTY: Final = (1 << 4) | DAMAGED


def told(number: int) -> Routed:
    """Return what a `Way` says in words."""
    return Routed(number & 0xF, number >> 16 & 0xFFFFFF, number >> 40, number >> 4 & 0xFFF, 0)
