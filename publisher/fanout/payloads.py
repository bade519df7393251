"""One encoding of each instrument's newest record per mode, shared by every subscriber."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.encoded import Encoded
from publisher.fanout.encoding import Encode
from publisher.fanout.kernels.cells import store
from publisher.fanout.latest import Latest, Sequences, Slots
from publisher.fanout.names import Names

#: Cells are so many bytes wide, or a multiple: they have to be widened seldom.
_CELL_BYTES = 64


class Payloads:
    """Encodes a record when the first subscriber needs it; later ones get the same bytes.

    Memory is one cell for each instrument that has a slot, per mode somebody wants it in.
    """

    def __init__(self, latest: Latest, encoders: Sequence[Encode], names: Names) -> None:
        self._latest = latest
        self._columns = [_Column(encode) for encode in encoders]
        self._names = names
        self.encoded = 0

    def of(self, mode: int, slots: Slots) -> list[bytes]:
        """Return the payload of each slot's newest record."""
        return self.newest(mode, slots).payloads()

    def newest(self, mode: int, slots: Slots) -> Encoded:
        """Return the payload of each slot's newest record, where it is kept: use it at once."""
        column = self._columns[mode]
        column.make_room(self._latest.capacity)
        stale = slots[column.sequences[slots] != self._latest.sequences[slots]]
        if len(stale):
            distinct = np.unique(stale)
            newest = self._latest.records(distinct), self._latest.sequences[distinct]
            self.each(mode, distinct, *newest)
        return column.of(slots)

    def each(
        self, mode: int, slots: Slots, records: NDArray[np.void], sequences: Sequences
    ) -> Encoded:
        """Return a payload of each of these records, which come in their order.

        The last one of a slot is its newest, so whoever wants only that gets the same bytes.
        """
        column = self._columns[mode]
        column.make_room(self._latest.capacity)
        encoded = self.old(mode, slots, records, sequences)
        column.keep(slots, encoded, sequences)
        return encoded

    def old(
        self, mode: int, slots: Slots, records: NDArray[np.void], sequences: Sequences
    ) -> Encoded:
        """Return a payload of each of these records, none of which need be the newest."""
        self.encoded += len(slots)
        return self._columns[mode].encode(records, sequences, slots, self._names)

    def forget(self, slots: Slots) -> None:
        """Drop what nobody wants any more."""
        for column in self._columns:
            column.forget(slots[slots < len(column.sequences)])


class _Column:
    """The payloads of one mode by slot, each with the sequence it was made of."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        self.sequences: Sequences = np.empty(0, np.uint64)
        self._sizes: NDArray[np.int64] = np.empty(0, np.int64)
        self._cells: NDArray[np.uint8] = np.empty((0, _CELL_BYTES), np.uint8)

    def make_room(self, slots: int) -> None:
        known = len(self.sequences)
        if slots > known:
            self.sequences = np.append(self.sequences, np.zeros(slots - known, np.uint64))
            self._sizes = np.append(self._sizes, np.zeros(slots - known, np.int64))
            self._extend(slots, self._cells.shape[1])

    def of(self, slots: Slots) -> Encoded:
        width = self._cells.shape[1]
        return Encoded(self._cells.reshape(-1), slots * width, self._sizes[slots])

    def keep(self, slots: Slots, encoded: Encoded, sequences: Sequences) -> None:
        longest = int(encoded.sizes.max(initial=0))
        if longest > self._cells.shape[1]:
            self._extend(len(self._cells), -(-longest // _CELL_BYTES) * _CELL_BYTES)
        store(self._cells, slots, *encoded)
        # Of repeated slots numpy keeps the last one assigned, as `store` does.
        self._sizes[slots] = encoded.sizes
        self.sequences[slots] = sequences

    def forget(self, slots: Slots) -> None:
        self.sequences[slots] = 0
        self._sizes[slots] = 0

    def _extend(self, slots: int, width: int) -> None:
        wider = np.zeros((slots, width), np.uint8)
        wider[: len(self._cells), : self._cells.shape[1]] = self._cells
        self._cells = wider
