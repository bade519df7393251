"""The newest record of each instrument, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels import newest
from publisher.fanout.kernels.newest import LATE_NS_MAX, NO_SLOT, RECORD_WORDS
from shared.wire.ticks import TICK_DTYPE

__all__ = (
    "LATE_NS_MAX",
    "NO_SLOT",
    "Applied",
    "Latest",
    "Sequences",
    "Slots",
    "Tokens",
    "join_records",
    "pick",
)

Slots = NDArray[np.int64]
Tokens = NDArray[np.uint32]
Sequences = NDArray[np.uint64]

_CAPACITY_FIRST = 1024


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch: the slots that moved, with repeats; rows left out by cause.

    `rows` says which of the batch were taken, one for each of `slots`; None: all of them.
    """

    slots: Slots
    rows: Slots | None = None
    late: int = 0
    over: int = 0


class Latest:
    """Gives each instrument a slot for good; `sequences` counts every record taken, from 1.

    Memory is one record for each instrument ever seen, at most `instruments_max`.
    """

    def __init__(self, instruments_max: int) -> None:
        self._instruments_max = instruments_max
        self._sorted_tokens: Tokens = np.empty(0, np.uint32)
        self._sorted_slots: Slots = np.empty(0, np.int64)
        self._capacity = 0
        self._cells: NDArray[np.uint64] = np.empty((0, RECORD_WORDS), np.uint64)
        self._received_at_ns: NDArray[np.uint64] = np.empty(0, np.uint64)
        self.sequences: Sequences = np.empty(0, np.uint64)
        self.tokens: Tokens = np.empty(0, np.uint32)
        self.sequence = 0
        self._grow(_CAPACITY_FIRST)

    def __len__(self) -> int:
        return len(self._sorted_tokens)

    @property
    def capacity(self) -> int:
        """Return how many slots the columns have room for."""
        return self._capacity

    def slots_of(self, tokens: Tokens) -> Slots:
        """Return each token's slot, NO_SLOT where it has none."""
        if not len(self._sorted_tokens):
            return np.full(len(tokens), NO_SLOT, np.int64)
        places = np.searchsorted(self._sorted_tokens, tokens)
        places[places == len(self._sorted_tokens)] = 0
        return np.where(self._sorted_tokens[places] == tokens, self._sorted_slots[places], NO_SLOT)

    def admit(self, tokens: Tokens) -> Slots:
        """Return each token's slot, new ones included; NO_SLOT where there is no more room."""
        slots = self.slots_of(tokens)
        if (slots == NO_SLOT).any():
            self._add(np.unique(tokens[slots == NO_SLOT]))
            slots = self.slots_of(tokens)
        return slots

    def apply(self, records: NDArray[np.void]) -> Applied:
        """Take a batch of TICK_DTYPE in its order; the last record of an instrument wins."""
        words, slots = _words(records), np.empty(len(records), np.int64)
        table = self._sorted_tokens, self._sorted_slots
        if newest.look_up(words, *table, slots):
            unknown = records["instrument_token"][slots == NO_SLOT]
            self._add(np.unique(unknown))
            newest.look_up(words, self._sorted_tokens, self._sorted_slots, slots)
        is_taken, before = np.empty(len(records), np.bool_), np.uint64(self.sequence)
        columns = self._cells, self._received_at_ns, self.sequences
        late = newest.take(words, slots, *columns, before, is_taken)
        taken = int(np.count_nonzero(is_taken))
        self.sequence += taken
        if taken == len(records):
            return Applied(slots)
        rows = np.flatnonzero(is_taken)
        return Applied(slots[rows], rows, late=late, over=len(records) - taken - late)

    def skip(self, count: int) -> Sequences:
        """Return sequences that no record will have: for records told again."""
        first = self.sequence + 1
        self.sequence += count
        return np.arange(first, self.sequence + 1, dtype=np.uint64)

    def records(self, slots: Slots) -> NDArray[np.void]:
        """Return a copy of these slots' newest records."""
        return self._cells[slots].reshape(-1).view(TICK_DTYPE)

    def _add(self, tokens: Tokens) -> None:
        first = len(self)
        tokens = tokens[: max(0, self._instruments_max - first)]
        slots = np.arange(first, first + len(tokens), dtype=np.int64)
        if first + len(tokens) > self._capacity:
            self._grow(max(2 * self._capacity, first + len(tokens)))
        self.tokens[slots] = tokens
        everyone = np.concatenate([self._sorted_tokens, tokens])
        order = np.argsort(everyone, kind="stable")
        self._sorted_tokens = everyone[order]
        self._sorted_slots = np.concatenate([self._sorted_slots, slots])[order]

    def _grow(self, capacity: int) -> None:
        self._cells = _longer(self._cells, capacity)
        self._received_at_ns = _longer(self._received_at_ns, capacity)
        self.sequences = _longer(self.sequences, capacity)
        self.tokens = _longer(self.tokens, capacity)
        self._capacity = capacity


def pick(records: NDArray[np.void], rows: Slots | NDArray[np.bool_]) -> NDArray[np.void]:
    """Return a copy of these rows of records of any layout."""
    return cells_of(records)[rows].view(records.dtype)


def join_records(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Return records of one layout end to end."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([cells_of(part) for part in parts]).view(parts[0].dtype)


def cells_of(records: NDArray[np.void]) -> NDArray[np.void]:
    """Return records as plain bytes: numpy copies a structured row 80 times slower."""
    return np.ascontiguousarray(records).view(_cell(records.dtype.itemsize))


@cache
def _cell(size_bytes: int) -> np.dtype[np.void]:
    return np.dtype((np.void, size_bytes))


def _words(records: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return records as words, writable ones: compiled code is made for one kind of array."""
    words = np.ascontiguousarray(records).view(np.uint64).reshape(-1, RECORD_WORDS)
    return words if words.flags.writeable else words.copy()


def _longer(column: NDArray[Any], length: int) -> NDArray[Any]:
    longer = np.zeros((length, *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
