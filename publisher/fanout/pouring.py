"""Every tick of a batch to those who want all of them: one encoding, as many lines as readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.flow import PLACE_DTYPE, Chunk, Source
from publisher.fanout.history import Past
from publisher.fanout.interest import Words
from publisher.fanout.kernels.shares import shared_out
from publisher.fanout.latest import LATE_NS_MAX, NO_SLOT, Latest, Sequences, Slots, pick
from publisher.fanout.payloads import Payloads
from publisher.fanout.subscriber import Ledger, ModeIndexes, Skipping, Wants

#: A dialect with a mode, None where there are several: what is the same for all of a kind.
_Kind = tuple[int, int | None]


class Batch(NamedTuple):
    """Records as they were taken: where they came from, their rows there, slots, sequences."""

    source: Source | None
    rows: Slots
    slots: Slots
    sequences: Sequences
    records: NDArray[np.void]


class _Portions(NamedTuple):
    """Subscribers of one kind, how many places of the batch each wants, the places end to end."""

    kind: _Kind
    ledgers: Sequence[Ledger]
    counts: NDArray[np.int64]
    places: Slots


class Pourer:
    """Appends batches to the flows of subscribers."""

    def __init__(self, latest: Latest, payloads: Sequence[Payloads]) -> None:
        self._latest = latest
        self._payloads = payloads

    def pour(self, bits: Words, batch: Batch, ledgers: Mapping[int, Ledger]) -> None:
        """Append a batch, `bits` saying for each row who wants it.

        Who has no room for it is let go or, where its policy is to skip, conflated for a while.
        """
        for portions in _portions(bits, ledgers):
            chunks = self._chunks(portions, batch)
            for ledger, chunk in zip(portions.ledgers, chunks, strict=True):
                assert ledger.flow is not None
                if not ledger.flow.push(chunk):
                    self._overflow(ledger, chunk.slots)

    def replay(self, batch: Batch, ledger: Ledger) -> bool:
        """Append an old batch to one flow alone, whole; False where it does not fit."""
        assert ledger.flow is not None
        places = np.arange(len(batch.slots))
        portions = _Portions(_kind(ledger), [ledger], np.array([len(places)]), places)
        return ledger.flow.push(self._chunks(portions, batch, is_old=True)[0])

    def _chunks(self, portions: _Portions, batch: Batch, *, is_old: bool = False) -> list[Chunk]:
        """Return each subscriber's chunk: the same one to all that want the same of the batch."""
        mode, places = portions.kind[1], portions.places
        payloads = self._encoded(portions, batch, is_old=is_old)
        ends = np.cumsum(portions.counts)
        starts = ends - portions.counts
        sizes = np.add.reduceat(np.fromiter(map(len, payloads), np.int64, len(payloads)), starts)
        packed = np.empty(len(places), PLACE_DTYPE)
        packed["slot"], packed["row"] = batch.slots[places], batch.rows[places]
        blob, width, sequence = packed.tobytes(), PLACE_DTYPE.itemsize, int(batch.sequences[-1])
        made: dict[bytes, Chunk] = {}
        chunks: list[Chunk] = []
        bounds = zip(starts.tolist(), ends.tolist(), sizes.tolist(), strict=True)
        for begin, end, size in bounds:
            key = blob[width * begin : width * end]
            chunk = made.get(key)
            if chunk is None:
                chunk = Chunk(batch.source, sequence, key, payloads[begin:end], size)
                if mode is not None:
                    made[key] = chunk
            chunks.append(chunk)
        return chunks

    def _encoded(self, portions: _Portions, batch: Batch, *, is_old: bool) -> list[bytes]:
        """Return the payload of every place of these portions."""
        (dialect, mode), places = portions.kind, portions.places
        encode = self._payloads[dialect].old if is_old else self._payloads[dialect].each
        modes = np.full(len(places), mode) if mode is not None else _modes(portions, batch)
        by_place: NDArray[Any] = np.empty(len(places), np.object_)
        for each in np.unique(modes).tolist():
            which = np.flatnonzero(modes == each)
            is_needed = np.zeros(len(batch.slots), np.bool_)
            is_needed[places[which]] = True
            rows = np.flatnonzero(is_needed)
            by_row: NDArray[Any] = np.empty(len(batch.slots), np.object_)
            by_row[rows] = encode(
                each, batch.slots[rows], pick(batch.records, rows), batch.sequences[rows]
            ).payloads()
            by_place[which] = by_row[places[which]]
        payloads: list[bytes] = by_place.tolist()
        return payloads

    def _overflow(self, ledger: Ledger, slots: Slots) -> None:
        if ledger.is_strict:
            ledger.let_go()
            return
        assert ledger.flow is not None
        lost, count = ledger.flow.drop()
        ledger.wants.settle(self._latest.sequences, np.union1d(lost, slots))
        ledger.skipping = Skipping(left_out=count + len(slots))


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


def _portions(bits: Words, ledgers: Mapping[int, Ledger]) -> list[_Portions]:
    """Return what each subscriber wants, by kind; for those that skip it is only counted."""
    everybody, no_sizes = ~np.zeros_like(bits[0]), np.zeros(len(bits), np.int64)
    subscribers, cuts, _, places = shared_out(bits, everybody, no_sizes)
    counts = np.diff(cuts)
    kinds: defaultdict[_Kind, list[int]] = defaultdict(list)
    whose = [ledgers[subscriber] for subscriber in subscribers.tolist()]
    for index, ledger in enumerate(whose):
        if ledger.skipping is None:
            kinds[_kind(ledger)].append(index)
        else:
            ledger.skipping.left_out += int(counts[index])
    portions: list[_Portions] = []
    for kind, indexes in kinds.items():
        is_ours = np.zeros(len(whose), np.bool_)
        is_ours[indexes] = True
        ours = [whose[index] for index in indexes]
        portions.append(_Portions(kind, ours, counts[indexes], places[np.repeat(is_ours, counts)]))
    return portions


def _kind(ledger: Ledger) -> _Kind:
    return ledger.dialect, ledger.wants.only_mode


def _modes(portions: _Portions, batch: Batch) -> ModeIndexes:
    """Return in which mode each place is wanted."""
    parts = np.split(batch.slots[portions.places], np.cumsum(portions.counts)[:-1])
    owners = zip(portions.ledgers, parts, strict=True)
    return np.concatenate([ledger.wants.modes_of(slots) for ledger, slots in owners])
