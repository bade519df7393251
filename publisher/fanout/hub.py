"""Who wants what: every decision of the fan-out that concerns more than one subscriber."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.fanout import interest
from publisher.fanout.dialects import Dialect
from publisher.fanout.flow import Source
from publisher.fanout.following import Following
from publisher.fanout.fresh import Fresh, Parcel
from publisher.fanout.history import History, Past
from publisher.fanout.interest import Interest
from publisher.fanout.latest import NO_SLOT, Applied, Latest, Slots, Tokens, pick
from publisher.fanout.policies import Policies
from publisher.fanout.pouring import Batch, Pourer
from publisher.fanout.subscriber import Ledger, Queue, SnapshotJob
from publisher.fanout.taking import Taken, Taker
from publisher.fanout.together import Together
from publisher.fanout.universe import Universe

#: Snapshots one subscriber may have under way; each is a list of slots.
SNAPSHOTS_MAX = 16


@dataclass(frozen=True, slots=True)
class HubLimits:
    """Bounds in force for every subscriber."""

    subscribers_max: int
    instruments_max: int
    queue_bytes_max: int
    message_bytes_max: int
    #: Unread ticks of one subscriber that wants every one of them.
    flow_bytes_max: int = 4 * 2**20
    #: Records kept for those who come back.
    history_bytes_max: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Moved:
    """What a batch did: whom to wake, what was left out, how many deliveries it is worth."""

    wake: Sequence[int]
    applied: Applied
    pairs: int


class Hub:
    """Holds the newest record per instrument, who wants it, what each subscriber is owed.

    Nothing is pushed: a connection takes when it can write, so whoever cannot costs the others
    nothing, and its own debt stays one number an instrument.
    """

    def __init__(self, limits: HubLimits, dialects: Sequence[Dialect]) -> None:
        self._limits = limits
        self._dialects = dialects
        self._latest = Latest(limits.instruments_max)
        self._interest = Interest(limits.subscribers_max)
        self._interest.make_room(self._latest.capacity)
        self.history = History(limits.history_bytes_max)
        self._ledgers: dict[int, Ledger] = {}
        #: Messages of which none is left out.
        self.channels = Following(dialects, self._ledgers)
        self._taker = Taker(self._latest, dialects, self.channels.by_name, limits.message_bytes_max)
        self._payloads = self._taker.payloads
        self._pourer = Pourer(self._latest, self._payloads)
        bytes_max = limits.message_bytes_max
        self._fresh = Fresh(
            dialects, self._payloads, self._pourer, self._ledgers, self._taker.at, bytes_max
        )
        self.policies = Policies(
            self._latest,
            self._ledgers,
            self._pourer,
            self._fresh,
            self._interest.nobody(),
            limits.flow_bytes_max,
        )
        self._together = Together(self._latest, dialects, self._payloads, self._fresh, bytes_max)
        self._free = list(range(limits.subscribers_max - 1, -1, -1))
        #: Bits of subscribers that have been woken since they last had nothing left.
        self._woken = self._interest.nobody()

    @property
    def sequence(self) -> int:
        """Return the number of records taken so far."""
        return self._latest.sequence

    @property
    def subscribers(self) -> int:
        """Return how many subscribers there are."""
        return len(self._ledgers)

    @property
    def instruments(self) -> int:
        """Return how many instruments have a slot."""
        return len(self._latest)

    @property
    def encoded(self) -> int:
        """Return how many payloads have been encoded so far."""
        return sum(payloads.encoded for payloads in self._payloads)

    @property
    def waiting_bytes(self) -> list[int]:
        """Return for each subscriber how many bytes of its own wait: messages, unread ticks.

        What is conflated costs none, nor what waits once for all that keep up: see `waiting_rows`.
        """
        return [
            each.queue.bytes + (0 if each.flow is None else each.flow.bytes)
            for each in self._ledgers.values()
        ]

    @property
    def skipped(self) -> Mapping[str, int]:
        """Return how many ticks subscribers of each policy were told that they do not get."""
        return self._taker.skipped

    @property
    def waiting_rows(self) -> int:
        """Return how many records wait for subscribers that want each of them."""
        return self._fresh.rows

    def rename(self, universe: Universe) -> None:
        """Take the symbols of a new publication."""
        self._taker.names.take(universe)

    def open(self, dialect: int = 0) -> int | None:
        """Return a new subscriber, or None where there are as many as may be."""
        if not self._free:
            return None
        subscriber = self._free.pop()
        self._ledgers[subscriber] = Ledger(dialect, Queue(self._limits.queue_bytes_max))
        interest.clear(self._woken, subscriber)
        interest.clear(self.policies.flowing, subscriber)
        return subscriber

    def dialect_of(self, subscriber: int) -> Dialect:
        """Return how a subscriber is written to."""
        return self._dialects[self._ledgers[subscriber].dialect]

    def close(self, subscriber: int) -> None:
        """Forget a subscriber with all that was meant for it."""
        ledger = self._ledgers[subscriber]
        self._fresh.settle(subscriber)
        self._release(subscriber, ledger.wants.slots)
        self.channels.leave(subscriber)
        del self._ledgers[subscriber]
        interest.clear(self.policies.flowing, subscriber)
        self._free.append(subscriber)

    def apply(self, records: NDArray[np.void], source: Source | None = None) -> Moved:
        """Take a batch of TICK_DTYPE, the one of that entry; say whom it concerns."""
        applied = self._latest.apply(records)
        self._interest.make_room(self._latest.capacity)
        if source is not None:
            self._taker.at[source.shard] = source.entry_id
            slots = applied.slots
            if applied.rows is not None:  # what was left out has its place there as well
                slots = self._latest.slots_of(records["instrument_token"])
            self.history.append(Past(source, slots, records))
        flowing = self.policies.flowing
        concerned, pairs, owed = self._interest.concern(applied.slots, flowing)
        if len(owed):
            self._fresh.append(self._batch(applied, records, source), owed)
        new = concerned & ~self._woken
        self._woken |= concerned
        return Moved(interest.members(new), applied, pairs)

    @property
    def at(self) -> dict[str, str]:
        """Return how far the streams have come, by shard."""
        return dict(self._taker.at)

    def begin_shard(self, shard: str, entry_id: str, *, is_empty: bool) -> None:
        """Say after which entry a shard is read, whether the stream has nothing yet."""
        self.history.begin(shard, entry_id)
        if is_empty:
            self._taker.at.setdefault(shard, entry_id)

    def is_wanted(self, tokens: Tokens) -> bool:
        """Tell whether anybody wants any of these instruments."""
        slots = self._latest.slots_of(tokens)
        return bool(self._interest.of(slots[slots != NO_SLOT]).any())

    def gap(self, tokens: Tokens, message: Any) -> list[int]:
        """Queue a gap for everybody who wants gaps of one of these; no tokens means all."""
        slots = self._latest.slots_of(tokens)
        concerned = set(interest.members(self._interest.of(slots[slots != NO_SLOT])))
        told = [
            each
            for each, ledger in self._ledgers.items()
            if ledger.has_gaps and (not len(tokens) or each in concerned)
        ]
        self.say_all(told, message)
        return told

    def post(self, subscriber: int, message: bytes) -> None:
        """Queue a message for one subscriber; one that does not fit means it is let go."""
        ledger = self._ledgers[subscriber]
        if not ledger.is_let_go and not ledger.queue.push(message):
            ledger.let_go()

    def say(self, subscriber: int, reply: Any) -> None:
        """Queue a reply for one subscriber, in its dialect."""
        self.post(subscriber, self._dialects[self._ledgers[subscriber].dialect].reply(reply))

    def room(self, subscriber: int, tokens: Tokens, instruments_max: int) -> NDArray[np.bool_]:
        """Tell which of these distinct tokens fit a quota; those wanted already always do."""
        wants = self._ledgers[subscriber].wants
        slots = self._admit(tokens)
        is_new = ~wants.has(slots)
        fits = ~is_new | (np.cumsum(is_new) <= instruments_max - len(wants))
        has_room: NDArray[np.bool_] = fits & (slots != NO_SLOT)
        return has_room

    def want(self, subscriber: int, tokens: Tokens, mode: int, *, has_snapshot: bool) -> None:
        """Add instruments to a subscriber, all in this mode; each must have passed `room`."""
        ledger = self._settled(subscriber)
        slots = self._admit(tokens)
        with _owed_again(ledger, self._latest):
            ledger.wants.add(slots, mode, self._latest.sequences, is_snapshot=has_snapshot)
        self._interest.add(subscriber, slots)

    def snapshot(
        self, subscriber: int, tokens: Tokens, *, above: int = 0, snapshot_id: int | None = None
    ) -> None:
        """Begin a snapshot of wanted instruments; `is_busy` must have said that it may.

        Only what moved after the sequence `above` is in it.
        """
        slots = self._latest.slots_of(tokens)
        held = slots[self._latest.sequences[slots] > above]
        job = SnapshotJob(self.sequence if snapshot_id is None else snapshot_id, held)
        self._ledgers[subscriber].snapshots.append(job)

    def is_busy(self, subscriber: int) -> bool:
        """Tell whether a subscriber has as many snapshots under way as it may."""
        return len(self._ledgers[subscriber].snapshots) >= SNAPSHOTS_MAX

    def unwant(self, subscriber: int, tokens: Tokens) -> NDArray[np.bool_]:
        """Take instruments from a subscriber; tell which it had."""
        ledger = self._settled(subscriber)
        slots = self._latest.slots_of(tokens)
        had = ledger.wants.has(slots)
        with _owed_again(ledger, self._latest):
            ledger.wants.remove(slots[had])
        if ledger.flow is not None:
            ledger.flow.remove(slots[had])
        self._release(subscriber, slots[had])
        return had

    def wanted(self, subscriber: int) -> int:
        """Return how many instruments a subscriber wants."""
        return len(self._ledgers[subscriber].wants)

    def hear_gaps(self, subscriber: int, *, wanted: bool) -> None:
        """Have gaps queued for a subscriber, or no longer."""
        self._ledgers[subscriber].has_gaps = wanted

    def last_words(self, subscriber: int) -> Taken:
        """Return what is queued and fits one round: all that is sent before a farewell."""
        ledger = self._ledgers[subscriber]
        queued = ledger.queue.pop(self._limits.message_bytes_max)
        return Taken(queued, is_text=self._dialects[ledger.dialect].is_text)

    def take(self, subscriber: int, now_s: float) -> Taken:
        """Return what to write now: queued messages, else a snapshot's next part, else ticks."""
        taken = self._taker.take(self._settled(subscriber), now_s)
        if taken.wait_s is None and not taken.is_let_go:
            # Nothing is owed any more: the next record wakes.
            interest.clear(self._woken, subscriber)
        return taken

    def take_together(
        self, subscribers: Iterable[int], now_s: float
    ) -> tuple[list[Parcel], list[int]]:
        """Return all that is owed to these, a parcel each, and for whom to ask `take`."""
        ledgers = self._ledgers
        members = [(each, ledgers[each]) for each in subscribers]
        parcels, singly = self._together.take(members, now_s)
        if parcels:
            interest.clear_all(self._woken, [parcel[0] for parcel in parcels])
        return parcels, singly

    def say_all(self, subscribers: Iterable[int], reply: Any) -> None:
        """Queue a reply for many, encoded once for each dialect among them."""
        bodies: dict[int, bytes] = {}
        for subscriber in subscribers:
            dialect = self._ledgers[subscriber].dialect
            if dialect not in bodies:
                bodies[dialect] = self._dialects[dialect].reply(reply)
            self.post(subscriber, bodies[dialect])

    def _admit(self, tokens: Tokens) -> Slots:
        slots = self._latest.admit(tokens)
        self._interest.make_room(self._latest.capacity)
        return slots

    def _settled(self, subscriber: int) -> Ledger:
        """Return a subscriber's ledger with every tick in it that it is owed."""
        self._fresh.settle(subscriber)
        return self._ledgers[subscriber]

    def _batch(self, applied: Applied, records: NDArray[np.void], source: Source | None) -> Batch:
        rows = np.arange(len(records)) if applied.rows is None else applied.rows
        first = self.sequence - len(rows) + 1
        sequences = np.arange(first, self.sequence + 1, dtype=np.uint64)
        taken = records if applied.rows is None else pick(records, rows)
        return Batch(source, rows, applied.slots, sequences, taken)

    def _release(self, subscriber: int, slots: Slots) -> None:
        self._interest.remove(subscriber, slots)
        unwanted = self._interest.unwanted(slots)
        for payloads in self._payloads:
            payloads.forget(unwanted)


@contextmanager
def _owed_again(ledger: Ledger, latest: Latest) -> Iterator[None]:
    """Keep the count of what was left out true while what is wanted changes."""
    if ledger.skipping is None:
        yield
        return
    before = len(ledger.wants.owed(latest.sequences))
    yield
    ledger.skipping.carried += len(ledger.wants.owed(latest.sequences)) - before
