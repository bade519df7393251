"""Ticks that just came with the bits of who has not read them, encoded once for all readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.fanout import interest
from publisher.fanout.encoded import Encoded, nothing_of, with_more, with_room
from publisher.fanout.interest import Words
from publisher.fanout.kernels.shares import shared_out
from publisher.fanout.latest import Sequences, Slots, join_records, pick
from publisher.fanout.payloads import Payloads
from publisher.fanout.pouring import Batch

#: A dialect and a mode.
Kind = tuple[int, int]


class Shares(NamedTuple):
    """Who reads what: subscribers, the cuts between their rows, the bytes of each, the rows."""

    subscribers: NDArray[np.int64]
    cuts: NDArray[np.int64]
    totals: NDArray[np.int64]
    places: Slots


class _Rows(NamedTuple):
    """All batches end to end."""

    slots: Slots
    sequences: Sequences
    records: NDArray[np.void]
    bits: Words


class Unread:
    """Batches in the order they came; whoever reads takes its bits out, all of them at once."""

    def __init__(self) -> None:
        self._batches: list[tuple[Batch, Words]] = []
        #: Bits of those who have something here to read; meaningless while nothing is here.
        self.owed: Words = np.empty(0, np.uint64)
        self.rows = 0
        self._end_to_end: _Rows | None = None
        self._encoded: dict[Kind, Encoded] = {}

    def append(self, batch: Batch, bits: Words) -> None:
        """Take a batch, `bits` saying for each row who wants it; nobody else may change them."""
        everybody: Words = np.bitwise_or.reduce(bits, axis=0)
        self.owed = self.owed | everybody if self._batches else everybody
        self._batches.append((batch, bits))
        self.rows += len(batch.slots)
        self._end_to_end = None

    def come(self, at: Mapping[str, str]) -> dict[str, str] | None:
        """Return, of how far shards have come, that of those of which something is here."""
        sources = [batch.source for batch, _ in self._batches]
        return {each.shard: at[each.shard] for each in sources if each is not None} or None

    def shares(self, kind: Kind, mask: Words, payloads: Payloads) -> tuple[Encoded, Shares]:
        """Return what those of the mask, all of one kind, have not read, by row encoded."""
        rows = self._all()
        encoded = self._made(kind, rows, mask, payloads)
        return encoded, Shares(*shared_out(rows.bits, mask, encoded.sizes))

    def parts(self, mask: Words) -> Iterator[tuple[Words, Batch]]:
        """Yield what those of the mask have not read of each batch."""
        for batch, bits in self._batches:
            part = bits & mask
            if part.any():
                yield part, batch

    def read(self, mask: Words) -> None:
        """Note that those of the mask have read everything."""
        kept = ~mask
        self.owed = self.owed & kept
        if not self.owed.any():
            self._batches, self.rows, self._end_to_end, self._encoded = [], 0, None, {}
            return
        batches = [(batch, bits & kept) for batch, bits in self._batches]
        left = [each for each in batches if each[1].any()]
        if len(left) < len(batches):  # rows have other places now
            self._encoded = {}
            self.rows = sum(len(batch.slots) for batch, _ in left)
        self._batches, self._end_to_end = left, None

    def _made(self, kind: Kind, rows: _Rows, mask: Words, payloads: Payloads) -> Encoded:
        """Return payloads by row: those made that the mask's subscribers want, perhaps others."""
        known = self._encoded.get(kind)
        known = nothing_of(self.rows) if known is None else with_room(known, self.rows)
        is_needed = interest.rows_with_any(rows.bits & mask) & (known.sizes == 0)
        if is_needed.any():
            which = np.flatnonzero(is_needed)
            more = payloads.each(
                kind[1], rows.slots[which], pick(rows.records, which), rows.sequences[which]
            )
            known = with_more(known, which, more)
        self._encoded[kind] = known
        return known

    def _all(self) -> _Rows:
        if self._end_to_end is None:
            batches = [batch for batch, _ in self._batches]
            self._end_to_end = _Rows(
                np.concatenate([batch.slots for batch in batches]),
                np.concatenate([batch.sequences for batch in batches]),
                join_records([batch.records for batch in batches]),
                np.concatenate([bits for _, bits in self._batches]),
            )
        return self._end_to_end
