"""One encoding of each instrument's newest record per mode, shared by every subscriber."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from publisher.encoding import Encode
from publisher.latest import Latest, Sequences, Slots
from publisher.universe import Universe


class Payloads:
    """Encodes a record when the first subscriber needs it; later ones get the same bytes.

    Memory is one payload per instrument somebody wants, per mode of the dialect.
    """

    def __init__(self, latest: Latest, encoders: Sequence[Encode]) -> None:
        self._latest = latest
        self._columns = [_Column(encode) for encode in encoders]
        self._symbols: list[str] = []
        self._universe: Universe | None = None
        self.encoded = 0

    def name(self, universe: Universe) -> None:
        """Use the symbols of this universe from now on; an unchanged record is not re-encoded."""
        self._universe = universe
        self._symbols = []

    def of(self, mode: int, slots: Slots) -> list[bytes]:
        """Return the payload of each slot's newest record; the slots are distinct."""
        column = self._columns[mode]
        column.make_room(self._latest.capacity)
        is_stale = column.sequences[slots] != self._latest.sequences[slots]
        if is_stale.any():
            self._encode(mode, slots[is_stale])
        payloads: list[bytes] = column.payloads[slots].tolist()
        return payloads

    def for_many(self, mode: int, slots: Slots) -> tuple[list[bytes], NDArray[np.int64]]:
        """Return the payload of each of these slots, which many want, and their sizes."""
        column = self._columns[mode]
        column.make_room(self._latest.capacity)
        stale = slots[column.sequences[slots] != self._latest.sequences[slots]]
        if len(stale):
            self._encode(mode, np.unique(stale))
        payloads: list[bytes] = column.payloads[slots].tolist()
        return payloads, column.sizes[slots]

    def each(
        self, mode: int, slots: Slots, records: NDArray[np.void], sequences: Sequences
    ) -> list[bytes]:
        """Return a payload of each of these records, which come in their order.

        The last one of a slot is its newest, so whoever wants only that gets the same bytes.
        """
        column = self._columns[mode]
        column.make_room(self._latest.capacity)
        payloads = self.old(mode, slots, records, sequences)
        # Of repeated slots numpy keeps the last one assigned.
        column.keep(slots, payloads, sequences)
        return payloads

    def old(
        self, mode: int, slots: Slots, records: NDArray[np.void], sequences: Sequences
    ) -> list[bytes]:
        """Return a payload of each of these records, none of which need be the newest."""
        self._learn_symbols()
        symbols = [self._symbols[slot] for slot in slots.tolist()]
        payloads = self._columns[mode].encode(records, sequences, symbols)
        self.encoded += len(payloads)
        return payloads

    def forget(self, slots: Slots) -> None:
        """Drop what nobody wants any more."""
        for column in self._columns:
            column.forget(slots[slots < len(column.sequences)])

    def _encode(self, mode: int, slots: Slots) -> None:
        column = self._columns[mode]
        sequences = self._latest.sequences[slots]
        payloads = self.old(mode, slots, self._latest.records(slots), sequences)
        column.keep(slots, payloads, sequences)

    def _learn_symbols(self) -> None:
        known, seen = len(self._symbols), len(self._latest)
        if known == seen:
            return
        tokens = self._latest.tokens[known:seen]
        unnamed = [""] * (seen - known)
        self._symbols += self._universe.symbols_of(tokens) if self._universe else unnamed


class _Column:
    """The payloads of one mode by slot, each with the sequence it was made of."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        #: Objects, so that a message's payloads are picked out in one go.
        self.payloads: NDArray[np.object_] = np.empty(0, np.object_)
        self.sequences: Sequences = np.empty(0, np.uint64)
        self.sizes: NDArray[np.int64] = np.empty(0, np.int64)

    def make_room(self, slots: int) -> None:
        missing = slots - len(self.sequences)
        if missing > 0:
            self.payloads = np.concatenate([self.payloads, np.full(missing, b"", np.object_)])
            self.sequences = np.concatenate([self.sequences, np.zeros(missing, np.uint64)])
            self.sizes = np.concatenate([self.sizes, np.zeros(missing, np.int64)])

    def keep(self, slots: Slots, payloads: list[bytes], sequences: Sequences) -> None:
        self.payloads[slots] = payloads
        self.sizes[slots] = np.fromiter(map(len, payloads), np.int64, len(payloads))
        self.sequences[slots] = sequences

    def forget(self, slots: Slots) -> None:
        self.sequences[slots] = 0
        self.sizes[slots] = 0
        self.payloads[slots] = b""
