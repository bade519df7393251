"""The newest record of each instrument, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.wire.ticks import TICK_DTYPE

Slots = NDArray[np.int64]
Tokens = NDArray[np.uint32]
Sequences = NDArray[np.uint64]

NO_SLOT = -1
_CAPACITY_FIRST = 1024
#: A step back in time by less is a batch delivered twice; by more, another timeline: a replay.
LATE_NS_MAX = 120 * 1_000_000_000
#: Records are moved as plain bytes: numpy copies a structured row 80 times slower.
_CELL = np.dtype((np.void, TICK_DTYPE.itemsize))


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
        self._cells: NDArray[np.void] = np.empty(0, _CELL)
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
        slots = self.admit(records["instrument_token"])
        received_at_ns = records["received_at_ns"]
        has_room = slots != NO_SLOT
        late = has_room & self._late(slots, received_at_ns)
        taken = has_room & ~late
        rows = None
        if not taken.all():
            rows = np.flatnonzero(taken)
            slots, records = slots[rows], pick(records, rows)
            received_at_ns = received_at_ns[rows]
        first = self.sequence + 1
        self.sequence += len(slots)
        # Of repeated slots numpy keeps the last one assigned: the newest of the batch.
        self._cells[slots] = np.ascontiguousarray(records).view(_CELL)
        self._received_at_ns[slots] = received_at_ns
        self.sequences[slots] = np.arange(first, self.sequence + 1, dtype=np.uint64)
        return Applied(slots, rows, late=int(late.sum()), over=int((~has_room).sum()))

    def skip(self, count: int) -> Sequences:
        """Return sequences that no record will have: for records told again."""
        first = self.sequence + 1
        self.sequence += count
        return np.arange(first, self.sequence + 1, dtype=np.uint64)

    def records(self, slots: Slots) -> NDArray[np.void]:
        """Return a copy of these slots' newest records."""
        return self._cells[slots].view(TICK_DTYPE)

    def _late(self, slots: Slots, received_at_ns: NDArray[np.uint64]) -> NDArray[np.bool_]:
        held = self._received_at_ns[slots]
        return (received_at_ns < held) & (held - received_at_ns < LATE_NS_MAX)

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


def pick(records: NDArray[np.void], rows: Slots) -> NDArray[np.void]:
    """Return a copy of these rows of TICK_DTYPE."""
    return np.ascontiguousarray(records).view(_CELL)[rows].view(TICK_DTYPE)


def _longer(column: NDArray[Any], length: int) -> NDArray[Any]:
    longer = np.zeros(length, column.dtype)
    longer[: len(column)] = column
    return longer
