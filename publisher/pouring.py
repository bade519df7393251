"""Every tick of a batch to those who want all of them: one encoding, as many lines as readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher import interest
from publisher.flow import Chunk, Source
from publisher.history import Past
from publisher.interest import Words
from publisher.latest import LATE_NS_MAX, NO_SLOT, Latest, Sequences, Slots, pick
from publisher.payloads import Payloads
from publisher.subscriber import Ledger, Skipping, Wants

#: A dialect with a mode: what one encoding is for.
_Kind = tuple[int, int]
#: Payloads of a batch by row, empty where nobody wants the row in this kind.
_Encoded = Mapping[_Kind, list[bytes]]


class Batch(NamedTuple):
    """Records as they were taken: where they came from, their rows there, slots, sequences."""

    source: Source | None
    rows: Slots
    slots: Slots
    sequences: Sequences
    records: NDArray[np.void]


class Pourer:
    """Appends batches to the flows of subscribers."""

    def __init__(self, latest: Latest, payloads: Sequence[Payloads]) -> None:
        self._latest = latest
        self._payloads = payloads

    def pour(self, bits: Words, batch: Batch, ledgers: Mapping[int, Ledger]) -> None:
        """Append a batch, `bits` saying for each row who wants it.

        Who has no room for it is let go or, where its policy is to skip, conflated for a while.
        """
        flowing: dict[int, Slots] = {}
        for subscriber, places in _portions(bits):
            skipping = ledgers[subscriber].skipping
            if skipping is None:
                flowing[subscriber] = places
            else:
                skipping.left_out += len(places)
        encoded = self._encode(flowing, batch, ledgers)
        for subscriber, places in flowing.items():
            self._append(ledgers[subscriber], places, batch, encoded)

    def replay(self, batch: Batch, ledger: Ledger) -> bool:
        """Append an old batch to one flow alone, whole; False where it does not fit."""
        encoded: dict[_Kind, list[bytes]] = {}
        for kind, which in _kinds(ledger, batch.slots).items():
            row_payloads = self._payloads[kind[0]].old(
                kind[1], batch.slots[which], pick(batch.records, which), batch.sequences[which]
            )
            encoded[kind] = _spread(len(batch.slots), which, row_payloads)
        assert ledger.flow is not None
        return ledger.flow.push(_chunk(ledger, np.arange(len(batch.slots)), batch, encoded))

    def _append(self, ledger: Ledger, places: Slots, batch: Batch, encoded: _Encoded) -> None:
        assert ledger.flow is not None
        chunk = _chunk(ledger, places, batch, encoded)
        if not ledger.flow.push(chunk):
            self._overflow(ledger, chunk.slots)

    def _overflow(self, ledger: Ledger, slots: Slots) -> None:
        if ledger.is_strict:
            ledger.let_go()
            return
        assert ledger.flow is not None
        lost, count = ledger.flow.drop()
        ledger.wants.settle(self._latest.sequences, np.union1d(lost, slots))
        ledger.skipping = Skipping(left_out=count + len(slots))

    def _encode(
        self, flowing: Mapping[int, Slots], batch: Batch, ledgers: Mapping[int, Ledger]
    ) -> _Encoded:
        needed: defaultdict[_Kind, NDArray[np.bool_]] = defaultdict(
            lambda: np.zeros(len(batch.slots), np.bool_)
        )
        for subscriber, places in flowing.items():
            ledger = ledgers[subscriber]
            if ledger.wants.only_mode is not None:
                needed[ledger.dialect, ledger.wants.only_mode][places] = True
                continue
            for kind, which in _kinds(ledger, batch.slots[places]).items():
                needed[kind][places[which]] = True
        encoded: dict[_Kind, list[bytes]] = {}
        for kind, is_needed in needed.items():
            rows = np.flatnonzero(is_needed)
            row_payloads = self._payloads[kind[0]].each(
                kind[1], batch.slots[rows], pick(batch.records, rows), batch.sequences[rows]
            )
            encoded[kind] = _spread(len(batch.slots), rows, row_payloads)
        return encoded


def chosen(pasts: Iterable[Past], wants: Wants, capacity: int) -> list[Batch]:
    """Return what is wanted of old entries, late records left out as they were when they came.

    The sequences are still to be filled in.
    """
    is_wanted = np.zeros(capacity, np.bool_)
    is_wanted[wants.slots] = True
    held: dict[int, int] = {}
    batches: list[Batch] = []
    for past in pasts:
        known = past.slots[past.begun :]
        rows = np.flatnonzero((known != NO_SLOT) & is_wanted[known]) + past.begun
        stamps = past.records["received_at_ns"][rows].tolist()
        taken = [
            row
            for row, slot, stamp in zip(
                rows.tolist(), past.slots[rows].tolist(), stamps, strict=True
            )
            if not is_late(held, slot, stamp)
        ]
        if taken:
            rows = np.array(taken)
            slots = past.slots[rows]
            nothing = np.empty(0, np.uint64)
            batches.append(Batch(past.source, rows, slots, nothing, pick(past.records, rows)))
    return batches


def is_late(held: dict[int, int], slot: int, stamp: int) -> bool:
    """Tell whether a record is older than the one before it, by less than a replay would be."""
    before = held.get(slot, 0)
    if stamp < before and before - stamp < LATE_NS_MAX:
        return True
    held[slot] = stamp
    return False


def _chunk(ledger: Ledger, places: Slots, batch: Batch, encoded: _Encoded) -> Chunk:
    slots = batch.slots[places]
    payloads = _payloads(ledger, slots, places, encoded)
    return Chunk(batch.source, int(batch.sequences[-1]), slots, batch.rows[places], payloads)


def _portions(bits: Words) -> list[tuple[int, Slots]]:
    """Return each subscriber with the rows it wants."""
    subscribers, places = interest.pairs(bits)
    if not len(subscribers):
        return []
    begins = [0, *(np.flatnonzero(np.diff(subscribers)) + 1).tolist()]
    whose = subscribers[begins].tolist()
    ends = [*begins[1:], len(places)]
    parts = zip(whose, begins, ends, strict=True)
    return [(subscriber, places[begin:end]) for subscriber, begin, end in parts]


def _kinds(ledger: Ledger, slots: Slots) -> dict[_Kind, Slots]:
    """Return which of these slots a subscriber wants in which mode."""
    modes = ledger.wants.modes_of(slots)
    return {
        (ledger.dialect, mode): np.flatnonzero(modes == mode) for mode in np.unique(modes).tolist()
    }


def _payloads(ledger: Ledger, slots: Slots, places: Slots, encoded: _Encoded) -> list[bytes]:
    dialect, only_mode = ledger.dialect, ledger.wants.only_mode
    if only_mode is not None:
        by_row = encoded[dialect, only_mode]
        return [by_row[place] for place in places.tolist()]
    modes = ledger.wants.modes_of(slots).tolist()
    return [
        encoded[dialect, mode][place] for mode, place in zip(modes, places.tolist(), strict=True)
    ]


def _spread(length: int, rows: Slots, payloads: list[bytes]) -> list[bytes]:
    if len(payloads) == length:
        return payloads
    by_row = [b""] * length
    for row, payload in zip(rows.tolist(), payloads, strict=True):
        by_row[row] = payload
    return by_row
