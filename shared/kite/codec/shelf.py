"""The newest packet per instrument, from which frames for Kite's own clients are cut.

A packet holds every smaller mode as its first bytes: a full one begins with its quote, a quote
with its last price. So a reader's mode decides only where its copy ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.kite.codec.big_endian import Bytes
from shared.kite.codec.entry import BROKEN, FULL_COLUMNS, Columns
from shared.kite.codec.moving import copy_bytes
from shared.kite.codec.packets import (
    COUNT_BYTES,
    FULL_BYTES,
    INDEX_FULL_BYTES,
    INDEX_QUOTE_BYTES,
    LENGTH_BYTES,
    LTP_BYTES,
    QUOTE_BYTES,
)
from shared.kite.codec.repack import Packets
from shared.kite.codec.tokens import ABSENT, TokenTable, lookup
from shared.wire.ticks import Mode

Tokens = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int32]
Marks = npt.NDArray[np.uint8]

#: A reader's mark of an instrument: its mode in the low bits, whether its packet is owed above.
_MODE: Final = 0x03
_OWED: Final = 0x80
_MODE_LTP: Final = int(Mode.LTP)
_MODE_QUOTE: Final = int(Mode.QUOTE)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _cut(length: int, mode: int) -> int:
    """Return how many bytes of a packet of `length` a reader in `mode` gets."""
    if mode == _MODE_LTP:
        return LTP_BYTES
    if mode == _MODE_QUOTE:
        if length == INDEX_FULL_BYTES:
            return INDEX_QUOTE_BYTES
        return min(length, QUOTE_BYTES)
    return length


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _is_documented(length: int) -> bool:
    return length in (LTP_BYTES, INDEX_QUOTE_BYTES, INDEX_FULL_BYTES, QUOTE_BYTES, FULL_BYTES)


@njit(cache=True, nogil=True, error_model="numpy")
def shelve(
    buffer: Bytes,
    count: int,
    columns: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], Tokens],
    table: tuple[Tokens, Rows],
    slab: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]],
    touched: Rows,
) -> tuple[int, int]:
    """Keep each packet in its row, the later over the earlier; return (touched, left out).

    `columns` is offsets, lengths, tokens of `count` packets in `buffer`; `slab` is bodies, shape
    (rows, FULL_BYTES), and their lengths (0: none). Rows are written to `touched` in the order of
    their packets. Unknown tokens and undocumented lengths are left out: Kite's own clients fail
    on the latter.
    """
    offsets, lengths, tokens = columns
    keys, values = table
    bodies, sizes = slab
    found = left_out = 0
    for index in range(count):
        size = int(np.int64(lengths[index]))
        row = lookup(keys, values, tokens[index]) if _is_documented(size) else ABSENT
        if row == ABSENT:
            left_out += 1
            continue
        copy_bytes(bodies[row], 0, buffer, offsets[index], size)
        sizes[row] = size
        touched[found] = row
        found += 1
    return found, left_out


@njit(cache=True, nogil=True, error_model="numpy")
def mark_owed(touched: Rows, count: int, marks: Marks, owed: Rows, fill: int) -> int:
    """Note the touched rows that a reader wants and is not owed yet; return the new fill."""
    for index in range(count):
        row = touched[index]
        mark = marks[row]
        if mark & _MODE and not mark & _OWED:
            marks[row] = mark | _OWED
            owed[fill] = row
            fill += 1
    return fill


@njit(cache=True, nogil=True, error_model="numpy")
def cut_frame(
    owed: Rows,
    span: tuple[int, int],
    marks: Marks,
    slab: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]],
    out: Bytes,
) -> tuple[int, int, int]:
    """Write one frame of what owed[span] says; return (bytes, packets, end of what was used).

    Rows no longer wanted, or without a packet, are passed over.
    """
    bodies, sizes = slab
    at, packets = COUNT_BYTES, 0
    index, end = span
    while index < end:
        row = owed[index]
        mode = int(marks[row] & _MODE)
        if mode and sizes[row]:
            size = _cut(int(np.int64(sizes[row])), mode)
            if at + LENGTH_BYTES + size > out.size:
                break
            out[at], out[at + 1] = size >> 8, size & 0xFF
            copy_bytes(out, at + LENGTH_BYTES, bodies[row], 0, size)
            at += LENGTH_BYTES + size
            packets += 1
        marks[row] &= _MODE
        index += 1
    out[0], out[1] = packets >> 8, packets & 0xFF
    return at, packets, index


class Shelved(NamedTuple):
    """What became of an entry: its packets, those left out, frames that were not sound."""

    packets: int
    left_out: int
    damaged: int


class Shelf:
    """A fixed slab of FULL_BYTES per instrument; memory is touched when a packet first comes."""

    __slots__ = ("_columns", "_fill", "_slab", "_table", "_touched", "tokens")

    def __init__(self, tokens: Tokens) -> None:
        """Hold `tokens`, shape (n,), ascending.

        Raises:
            ValueError: a token occurs twice.
        """
        self.tokens = tokens
        self._table = TokenTable.build(tokens, np.arange(tokens.size, dtype=np.int32))
        self._slab = (
            np.zeros((tokens.size, FULL_BYTES), dtype=np.uint8),
            np.zeros(tokens.size, dtype=np.uint16),
        )
        self._columns = Columns()
        self._touched = np.zeros(self._columns.tokens.size, dtype=np.int32)
        self._fill = 0

    @property
    def touched(self) -> Rows:
        """Return the rows whose packets came with the last step of `take`."""
        touched: Rows = self._touched[: self._fill]
        return touched

    def rows_of(self, tokens: Tokens) -> Rows:
        """Return the row of each token that is held, in their order; others are passed over."""
        places = np.searchsorted(self.tokens, tokens)
        places[places == self.tokens.size] = 0
        held = self.tokens[places] == tokens if self.tokens.size else np.zeros(tokens.size, bool)
        rows: Rows = places[held].astype(np.int32)
        return rows

    def take(self, entry: bytes) -> Iterator[Shelved]:
        """Keep the packets of an entry's segments, FRAME_PACKETS_MAX at a time.

        After each step `touched` says which rows it was about.
        """
        buffer = np.frombuffer(entry, dtype=np.uint8) if entry else np.zeros(0, np.uint8)
        position, end = 0, FULL_COLUMNS
        while end == FULL_COLUMNS:
            scanned = self._columns.scan(entry, position)
            position, end = scanned.position, scanned.end
            left_out = self._shelve(buffer, scanned.packets)
            yield Shelved(scanned.packets, left_out, scanned.damaged + (end == BROKEN))

    def put(self, packets: Packets) -> Rows:
        """Keep packets made of records, each token once, where none has come from a socket yet.

        Return the rows of those kept.
        """
        bodies, sizes = self._slab
        known = np.isin(packets.tokens, self.tokens)
        rows = self.rows_of(packets.tokens)
        empty = sizes[rows] == 0
        places = np.flatnonzero(known)[empty]
        put: Rows = rows[empty]
        sizes[put] = packets.lengths[places]
        bodies[put] = packets.bodies[places]
        return put

    def inherit(self, other: Shelf) -> None:
        """Take over the packets of every token that both hold."""
        _, here, there = np.intersect1d(
            self.tokens, other.tokens, assume_unique=True, return_indices=True
        )
        self._slab[0][here] = other._slab[0][there]
        self._slab[1][here] = other._slab[1][there]

    def _shelve(self, buffer: Bytes, count: int) -> int:
        columns = (self._columns.offsets, self._columns.lengths, self._columns.tokens)
        table = (self._table.keys, self._table.values)
        self._fill, left_out = shelve(buffer, count, columns, table, self._slab, self._touched)
        return int(left_out)


class Wanted:
    """What one reader wants of a shelf, what it is owed; a byte per instrument and its wants."""

    __slots__ = ("_fill", "_marks", "_owed", "_shelf")

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._marks = np.zeros(shelf.tokens.size, dtype=np.uint8)
        #: Each marked row at most once, so never more than were marked at one time.
        self._owed = np.zeros(0, dtype=np.int32)
        self._fill = 0

    @property
    def owed(self) -> int:
        """Return how many packets are owed at most."""
        return self._fill

    def want(self, rows: Rows, mode: Mode) -> None:
        """Want these rows, each once, in `mode`; what is held of them is owed at once."""
        self._marks[rows] = (self._marks[rows] & _OWED) | int(mode)
        lacking = np.count_nonzero(self._marks) - self._owed.size
        if lacking > 0:
            self._owed = np.concatenate([self._owed, np.zeros(lacking, dtype=np.int32)])
        self.note(rows)

    def leave(self, rows: Rows) -> None:
        """Want these rows no longer; what is owed of them is dropped when its turn comes."""
        self._marks[rows] &= _OWED

    def note(self, rows: Rows) -> bool:
        """Owe the packets of these rows, where they are wanted; return whether any is owed."""
        self._fill = int(mark_owed(rows, rows.size, self._marks, self._owed, self._fill))
        return self._fill > 0

    def cut(self, out: Bytes) -> tuple[memoryview, int]:
        """Write the next frame owed into `out`; return it and its number of packets.

        A frame without packets has nothing to say. `out` must take COUNT_BYTES, LENGTH_BYTES and
        FULL_BYTES; what does not fit stays owed.
        """
        slab = self._shelf._slab  # noqa: SLF001 - a reader of the shelf is part of it
        size, packets, used = cut_frame(self._owed, (0, self._fill), self._marks, slab, out)
        left = self._fill - int(used)
        self._owed[:left] = self._owed[int(used) : self._fill].copy()
        self._fill = left
        return out[: int(size)].data, int(packets)
