"""What many subscribers are owed, gathered in columns and joined once for all that get the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from publisher.fanout.dialects import At, Dialect
from publisher.fanout.flow import Chunk, note
from publisher.fanout.framing import Framer
from publisher.fanout.fresh import Fresh, Member, Parcel, frame_of
from publisher.fanout.kernels.owing import owed
from publisher.fanout.latest import Latest, Slots
from publisher.fanout.payloads import Payloads
from publisher.fanout.taking import ROWS_PER_MESSAGE_MAX
from publisher.fanout.unread import Kind


class Together:
    """Serves those who want nothing but ticks, and have all that they are owed fit one message.

    Everybody else is asked singly: see Taker, which gives the same ticks in the same order.
    """

    def __init__(
        self,
        latest: Latest,
        dialects: Sequence[Dialect],
        payloads: Sequence[Payloads],
        fresh: Fresh,
        message_bytes_max: int,
    ) -> None:
        self._fresh = fresh
        self._latest = latest
        self._dialects = dialects
        self._payloads = payloads
        self._bytes_max = message_bytes_max
        self._framer = Framer()

    def take(self, members: Iterable[Member], now_s: float) -> tuple[list[Parcel], list[int]]:
        """Return what is owed to these, and whom to ask singly: nothing of theirs was taken."""
        newest: defaultdict[Kind, list[Member]] = defaultdict(list)
        fresh: defaultdict[Kind, list[Member]] = defaultdict(list)
        every: list[Member] = []
        singly: list[int] = []
        # Tens of thousands of turns a second: each looks at nothing twice.
        for member in members:
            ledger = member[1]
            wants, flow = ledger.wants, ledger.flow
            mode = wants.only_mode
            if now_s < ledger.due_s or not ledger.is_plain:
                singly.append(member[0])
            elif flow is not None:
                if mode is None or flow.bytes:
                    every.append(member)
                else:
                    fresh[ledger.dialect, mode].append(member)
            elif mode is not None and wants.level is not None:
                newest[ledger.dialect, mode].append(member)
            else:
                singly.append(member[0])
        # Whoever is not served from there is owed what it has not read there as well.
        self._fresh.settle_all([*singly, *(member[0] for member in every)])
        parcels: list[Parcel] = []
        for kind, of_a_kind in fresh.items():
            parcels += self._fresh.take(kind, of_a_kind, now_s, singly)
        parcels += self._every(every, now_s, singly)
        for kind, of_a_kind in newest.items():
            parcels += self._newest(kind, of_a_kind, now_s, singly)
        return parcels, singly

    def _newest(
        self, kind: Kind, members: Sequence[Member], now_s: float, singly: list[int]
    ) -> list[Parcel]:
        """Give the newest of what moved to subscribers of one dialect and one mode."""
        slots, cuts = self._owed(members)
        encoded = self._payloads[kind[0]].newest(kind[1], slots)
        counts = np.diff(cuts)
        totals = np.diff(np.concatenate([[0], np.cumsum(encoded.sizes)])[cuts])
        is_long = (counts > ROWS_PER_MESSAGE_MAX) | (totals > self._bytes_max)
        envelope = self._dialects[kind[0]].envelope(None)
        places, is_left_out = np.arange(len(slots)), is_long | (counts == 0)
        made = iter(self._framer.frames(encoded, places, cuts, is_left_out, envelope))
        sequence = self._latest.sequence
        parcels: list[Parcel] = []
        told = zip(members, counts.tolist(), is_long.tolist(), strict=True)
        for (subscriber, ledger), count, has_more in told:
            if has_more:
                singly.append(subscriber)
                continue
            if count:
                ledger.wants.level = sequence
                if ledger.min_interval_s:
                    ledger.due_s = now_s + ledger.min_interval_s
            parcels.append((subscriber, next(made) if count else b"", count))
        return parcels

    def _owed(self, members: Sequence[Member]) -> tuple[Slots, Slots]:
        """Return the slots owed to each, the longest owed first, and the cuts between them."""
        wants = [ledger.wants for _, ledger in members]
        slots = [each.slots for each in wants]
        levels = np.array([each.level for each in wants], np.uint64)
        ends = np.cumsum([len(each) for each in slots])
        moved: tuple[Slots, Slots] = owed(
            np.concatenate(slots), ends, levels, self._latest.sequences, ROWS_PER_MESSAGE_MAX
        )
        return moved

    def _every(self, members: Sequence[Member], now_s: float, singly: list[int]) -> list[Parcel]:
        """Give every tick to those that want each of them."""
        made: dict[tuple[int, ...], tuple[tuple[Chunk, ...], bytes]] = {}
        parcels: list[Parcel] = []
        for subscriber, ledger in members:
            assert ledger.flow is not None
            if not ledger.is_plain:  # what it had not read was too much for its line
                singly.append(subscriber)
                continue
            ticks = len(ledger.flow)
            chunks = ledger.flow.pop_all(self._bytes_max, ROWS_PER_MESSAGE_MAX)
            if chunks is None:
                singly.append(subscriber)
                continue
            if not chunks:
                parcels.append((subscriber, b"", 0))
                continue
            # A chunk is of one dialect and one mode; kept here, its id is nobody else's.
            name = tuple(map(id, chunks))
            known = made.get(name)
            if known is None:
                dialect = self._dialects[ledger.dialect]
                payloads, at = _poured(chunks)
                known = made[name] = (chunks, _frame(dialect, payloads, self._fresh.reached(at)))
            if ledger.min_interval_s:
                ledger.due_s = now_s + ledger.min_interval_s
            parcels.append((subscriber, known[1], ticks))
        return parcels


def _poured(chunks: Sequence[Chunk]) -> tuple[list[bytes], At | None]:
    """Return the payloads of these chunks, and how far they come."""
    at: dict[str, str] = {}
    for chunk in chunks:
        note(at, chunk, len(chunk.payloads))
    if len(chunks) == 1:
        return chunks[0].payloads, at or None
    return [payload for chunk in chunks for payload in chunk.payloads], at or None


def _frame(dialect: Dialect, payloads: Sequence[bytes], at: At | None) -> bytes:
    return frame_of(
        dialect, payloads, dialect.opening(len(payloads), at is not None), dialect.closing(at)
    )
