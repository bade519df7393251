"""Ticks that just came, for those that want each of them: one log for all, read by bit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher import frames, interest
from publisher.dialects import At, Dialect
from publisher.interest import Words
from publisher.latest import pick
from publisher.payloads import Payloads
from publisher.pouring import Batch, Pourer
from publisher.subscriber import Ledger
from publisher.taking import ROWS_PER_MESSAGE_MAX

#: Rows that wait here for their readers; with more, whoever has not read them gets its own line.
ROWS_MAX = 4096

#: All that one subscriber is owed: who, a whole WebSocket frame, how many ticks; empty for nothing.
#: A plain tuple: there are tens of thousands a second.
Parcel = tuple[int, bytes, int]
#: A subscriber with all that the hub knows of it.
Member = tuple[int, Ledger]
#: A dialect and a mode.
Kind = tuple[int, int]


class _Waiting:
    """A batch with the bits of who has not read which of its rows, and its encodings so far."""

    def __init__(self, batch: Batch, bits: Words) -> None:
        self.batch = batch
        self.bits = bits
        self._encoded: dict[Kind, tuple[NDArray[np.object_], NDArray[np.int64]]] = {}

    def __len__(self) -> int:
        return len(self.batch.slots)

    def encoded(
        self, kind: Kind, is_needed: NDArray[np.bool_], payloads: Payloads
    ) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
        """Return payloads and sizes by row, those of the needed rows made, others perhaps not."""
        known = self._encoded.get(kind)
        if known is None:
            size = len(self)
            known = self._encoded[kind] = (np.empty(size, np.object_), np.zeros(size, np.int64))
        rows = np.flatnonzero(is_needed & (known[1] == 0))
        if len(rows):
            batch = self.batch
            made = payloads.each(
                kind[1], batch.slots[rows], pick(batch.records, rows), batch.sequences[rows]
            )
            known[0][rows] = made
            known[1][rows] = np.fromiter(map(len, made), np.int64, len(made))
        return known


class _Shares(NamedTuple):
    """Who reads what: subscribers, where each one's payloads begin and end, their bytes.

    `names` are the rows of each as bytes: who has the same ones reads the same.
    """

    subscribers: list[int]
    bounds: list[tuple[int, int]]
    sizes: list[int]
    payloads: list[bytes]
    names: list[bytes]


class Fresh:
    """Holds batches until everybody who wants some of them has read them, or too many wait.

    Who keeps up is written to straight from here, one pass for all of a kind. Who does not, or is
    owed anything else, has its part poured into its own flow first: `settle`.
    """

    def __init__(
        self,
        dialects: Sequence[Dialect],
        payloads: Sequence[Payloads],
        pourer: Pourer,
        ledgers: Mapping[int, Ledger],
        at: Mapping[str, str],
        message_bytes_max: int,
    ) -> None:
        self._dialects = dialects
        self._payloads = payloads
        self._pourer = pourer
        self._ledgers = ledgers
        #: How far the streams have come, by shard; who has read all that is here has come as far.
        self._at = at
        self._bytes_max = message_bytes_max
        self._waiting: list[_Waiting] = []
        self.rows = 0
        #: Bits of those who have something here to read; meaningless while nothing waits.
        self._owed: Words = np.empty(0, np.uint64)

    def append(self, batch: Batch, bits: Words) -> None:
        """Take a batch, `bits` saying for each row who wants it; nobody else may change them."""
        self._waiting.append(_Waiting(batch, bits))
        self.rows += len(batch.slots)
        everybody = np.bitwise_or.reduce(bits, axis=0)
        self._owed = everybody if len(self._waiting) == 1 else self._owed | everybody
        if self.rows > ROWS_MAX:
            self._pour(self._owed)

    def settle(self, subscriber: int) -> None:
        """Pour what a subscriber has not read into its flow: there it has all that it is owed."""
        if self._waiting and interest.has(self._owed, subscriber):
            self.settle_all([subscriber])

    def settle_all(self, subscribers: Sequence[int]) -> None:
        """Pour what these have not read into their flows, in one pass."""
        if self._waiting and subscribers:
            self._pour(interest.all_of(subscribers, len(self._owed)))

    def reached(self, at: At | None) -> At | None:
        """Return how far shards have come for whoever has just been given all that it is owed."""
        return None if at is None else {shard: self._at[shard] for shard in at}

    def take(self, members: Sequence[Member], now_s: float, singly: list[int]) -> list[Parcel]:
        """Return a parcel for each member whose flow is empty, all that it is owed.

        To `singly` goes whose part is more than one message; it is in its flow then.
        """
        kinds: defaultdict[Kind, list[Member]] = defaultdict(list)
        for member in members:
            mode = member[1].wants.only_mode
            kinds[member[1].dialect, -1 if mode is None else mode].append(member)
        parcels: list[Parcel] = []
        for kind, of_a_kind in kinds.items():
            parcels += self._take(kind, of_a_kind, now_s, singly)
        self._drop_read()
        return parcels

    def _take(
        self, kind: Kind, members: Sequence[Member], now_s: float, singly: list[int]
    ) -> list[Parcel]:
        if not self._waiting or kind[1] < 0:
            return [(subscriber, b"", 0) for subscriber, _ in members]
        mask = interest.all_of([member[0] for member in members], len(self._owed))
        shares = self._shares(kind, mask)
        parcels, long = ([], []) if shares is None else self._parcels(kind, shares)
        self.settle_all(long)
        for waiting in self._waiting:
            waiting.bits &= ~mask
        self._owed = self._owed & ~mask
        singly += long
        if len(parcels) + len(long) < len(members):
            served = {parcel[0] for parcel in parcels}.union(long)
            parcels += [(each, b"", 0) for each, _ in members if each not in served]
        for subscriber, frame, _ in parcels:
            ledger = self._ledgers[subscriber]
            if ledger.min_interval_s and frame:
                ledger.due_s = now_s + ledger.min_interval_s
        return parcels

    def _shares(self, kind: Kind, mask: Words) -> _Shares | None:
        """Return what those of the mask, all of one kind, have not read."""
        parts: list[Words] = [waiting.bits & mask for waiting in self._waiting]
        payloads, sizes = zip(
            *(
                waiting.encoded(kind, interest.rows_with_any(part), self._payloads[kind[0]])
                for waiting, part in zip(self._waiting, parts, strict=True)
            ),
            strict=True,
        )
        subscribers, places = interest.pairs(np.concatenate(parts))
        if not len(places):
            return None
        starts = np.concatenate([[0], np.flatnonzero(np.diff(subscribers)) + 1])
        ends = np.append(starts[1:], len(places))
        by_place: NDArray[Any] = np.concatenate(payloads)[places]
        blob = places.astype(np.int32).tobytes()
        bounds = list(zip(starts.tolist(), ends.tolist(), strict=True))
        return _Shares(
            subscribers=subscribers[starts].tolist(),
            bounds=bounds,
            sizes=np.add.reduceat(np.concatenate(sizes)[places], starts).tolist(),
            payloads=by_place.tolist(),
            names=[blob[4 * begin : 4 * end] for begin, end in bounds],
        )

    def _parcels(self, kind: Kind, shares: _Shares) -> tuple[list[Parcel], list[int]]:
        """Join each one's payloads to a frame, once for all who read the same.

        Beside the parcels: whose part is more than one message.
        """
        dialect, at = self._dialects[kind[0]], self._newest()
        closing, has_at = dialect.closing(at), at is not None
        payloads, made = shares.payloads, dict[bytes, bytes]()
        parcels: list[Parcel] = []
        long: list[int] = []
        for subscriber, (begin, end), size, name in zip(
            shares.subscribers, shares.bounds, shares.sizes, shares.names, strict=True
        ):
            count = end - begin
            if count > ROWS_PER_MESSAGE_MAX or size > self._bytes_max:
                long.append(subscriber)
                continue
            frame = made.get(name)
            if frame is None:
                opening = dialect.opening(count, has_at)
                frame = frame_of(dialect, payloads[begin:end], opening, closing)
                made[name] = frame
            parcels.append((subscriber, frame, count))
        return parcels, long

    def _newest(self) -> dict[str, str] | None:
        """Return how far the shards have come of which something is here."""
        sources = [waiting.batch.source for waiting in self._waiting]
        return {each.shard: self._at[each.shard] for each in sources if each is not None} or None

    def _pour(self, mask: Words) -> None:
        """Pour what those of the mask have not read into their flows."""
        for waiting in self._waiting:
            part = waiting.bits & mask
            if part.any():
                self._pourer.pour(part, waiting.batch, self._ledgers)
                waiting.bits ^= part
        self._owed = self._owed & ~mask
        self._drop_read()

    def _drop_read(self) -> None:
        """Forget batches that everybody has read."""
        self._waiting = [waiting for waiting in self._waiting if waiting.bits.any()]
        self.rows = sum(map(len, self._waiting))


def frame_of(dialect: Dialect, payloads: Sequence[bytes], opening: bytes, closing: bytes) -> bytes:
    """Return a whole WebSocket frame of ticks, its parts copied once."""
    body = dialect.separator.join(payloads)
    opcode = frames.TEXT if dialect.are_ticks_text else frames.BINARY
    header = frames.header(opcode, len(opening) + len(body) + len(closing))
    return b"".join((header, opening, body, closing))
