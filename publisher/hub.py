"""Who gets what when: every decision of the fan-out, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher import interest
from publisher.interest import Interest
from publisher.latest import NO_SLOT, Applied, Latest, Slots, Tokens
from publisher.payloads import Payloads
from publisher.protocol import Dialect
from publisher.subscriber import Queue, SnapshotJob, Wants
from publisher.universe import Universe

#: Rows looked at for one message; it ends earlier where `message_bytes_max` does.
ROWS_PER_MESSAGE_MAX = 256
#: Snapshots one subscriber may have under way; each is a list of slots.
SNAPSHOTS_MAX = 16


@dataclass(frozen=True, slots=True)
class HubLimits:
    """Bounds in force for every subscriber."""

    subscribers_max: int
    instruments_max: int
    queue_bytes_max: int
    message_bytes_max: int


class Taken(NamedTuple):
    """What to send now, then what to do.

    `wait_s` None: wait to be woken; 0: ask again at once; else ask again after so many seconds.
    `is_let_go`: end the connection, it did not read what may not be left out.
    """

    messages: Sequence[bytes] = ()
    ticks: int = 0
    wait_s: float | None = None
    is_let_go: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """What a batch did: whom to wake, what was left out, how many deliveries it is worth."""

    wake: Sequence[int]
    applied: Applied
    pairs: int


@dataclass(slots=True)
class _Subscriber:
    dialect: int
    queue: Queue
    wants: Wants = field(default_factory=Wants)
    snapshots: list[SnapshotJob] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)
    has_gaps: bool = False
    min_interval_s: float = 0.0
    due_s: float = 0.0
    is_let_go: bool = False


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
        self._payloads = [Payloads(self._latest, dialect.encoders) for dialect in dialects]
        self._subscribers: dict[int, _Subscriber] = {}
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
        return len(self._subscribers)

    @property
    def instruments(self) -> int:
        """Return how many instruments have a slot."""
        return len(self._latest)

    @property
    def encoded(self) -> int:
        """Return how many payloads have been encoded so far."""
        return sum(payloads.encoded for payloads in self._payloads)

    def rename(self, universe: Universe) -> None:
        """Take the symbols of a new publication."""
        for payloads in self._payloads:
            payloads.name(universe)

    def open(self, dialect: int = 0) -> int | None:
        """Return a new subscriber, or None where there are as many as may be."""
        if not self._free:
            return None
        subscriber = self._free.pop()
        self._subscribers[subscriber] = _Subscriber(dialect, Queue(self._limits.queue_bytes_max))
        interest.clear(self._woken, subscriber)
        return subscriber

    def close(self, subscriber: int) -> None:
        """Forget a subscriber with all that was meant for it."""
        slots = self._subscribers[subscriber].wants.slots
        self._release(subscriber, slots)
        del self._subscribers[subscriber]
        self._free.append(subscriber)

    def apply(self, records: NDArray[np.void]) -> Moved:
        """Take a batch of TICK_DTYPE; say whom it concerns."""
        applied = self._latest.apply(records)
        self._interest.make_room(self._latest.capacity)
        concerned = self._interest.of(applied.slots)
        new = concerned & ~self._woken
        self._woken |= concerned
        return Moved(interest.members(new), applied, self._interest.pairs(applied.slots))

    def order(self, account: str, message: bytes) -> list[int]:
        """Queue an account's event for everybody who follows it; return whom to wake."""
        return self._post_all(
            [each for each, state in self._subscribers.items() if account in state.accounts],
            message,
        )

    def gap(self, tokens: Tokens, message: bytes) -> list[int]:
        """Queue a gap for everybody who wants gaps of one of these; no tokens means all."""
        slots = self._latest.slots_of(tokens)
        concerned = set(interest.members(self._interest.of(slots[slots != NO_SLOT])))
        return self._post_all(
            [
                each
                for each, state in self._subscribers.items()
                if state.has_gaps and (not len(tokens) or each in concerned)
            ],
            message,
        )

    def post(self, subscriber: int, message: bytes) -> None:
        """Queue a message for one subscriber; one that does not fit means it is let go."""
        state = self._subscribers[subscriber]
        if not state.is_let_go and not state.queue.push(message):
            state.is_let_go = True
            state.queue.clear()

    def room(self, subscriber: int, tokens: Tokens, instruments_max: int) -> NDArray[np.bool_]:
        """Tell which of these distinct tokens fit a quota; those wanted already always do."""
        wants = self._subscribers[subscriber].wants
        slots = self._admit(tokens)
        is_new = ~wants.has(slots)
        fits = ~is_new | (np.cumsum(is_new) <= instruments_max - len(wants))
        has_room: NDArray[np.bool_] = fits & (slots != NO_SLOT)
        return has_room

    def want(self, subscriber: int, tokens: Tokens, mode: int, *, has_snapshot: bool) -> None:
        """Add instruments to a subscriber, all in this mode; each must have passed `room`."""
        state = self._subscribers[subscriber]
        slots = self._admit(tokens)
        state.wants.add(slots, mode, self._latest.sequences, is_snapshot=has_snapshot)
        self._interest.add(subscriber, slots)

    def snapshot(self, subscriber: int, tokens: Tokens) -> None:
        """Begin a snapshot of wanted instruments; `is_busy` must have said that it may."""
        slots = self._latest.slots_of(tokens)
        held = slots[self._latest.sequences[slots] > 0]
        self._subscribers[subscriber].snapshots.append(SnapshotJob(self.sequence, held))

    def is_busy(self, subscriber: int) -> bool:
        """Tell whether a subscriber has as many snapshots under way as it may."""
        return len(self._subscribers[subscriber].snapshots) >= SNAPSHOTS_MAX

    def unwant(self, subscriber: int, tokens: Tokens) -> NDArray[np.bool_]:
        """Take instruments from a subscriber; tell which it had."""
        wants = self._subscribers[subscriber].wants
        slots = self._latest.slots_of(tokens)
        had = wants.has(slots)
        wants.remove(slots[had])
        self._release(subscriber, slots[had])
        return had

    def wanted(self, subscriber: int) -> int:
        """Return how many instruments a subscriber wants."""
        return len(self._subscribers[subscriber].wants)

    def follow(self, subscriber: int, accounts: Sequence[str]) -> None:
        """Have these accounts' events queued for a subscriber from now on."""
        self._subscribers[subscriber].accounts.update(accounts)

    def unfollow(self, subscriber: int, accounts: Sequence[str]) -> None:
        """Have these accounts' events no longer queued for a subscriber."""
        self._subscribers[subscriber].accounts.difference_update(accounts)

    def hear_gaps(self, subscriber: int, *, wanted: bool) -> None:
        """Have gaps queued for a subscriber, or no longer."""
        self._subscribers[subscriber].has_gaps = wanted

    def pace(self, subscriber: int, min_interval_s: float) -> None:
        """Leave at least so long between two rounds of ticks."""
        state = self._subscribers[subscriber]
        state.min_interval_s = min_interval_s
        state.due_s = 0.0

    def last_words(self, subscriber: int) -> Sequence[bytes]:
        """Return what is queued and fits one round: all that is sent before a farewell."""
        return self._subscribers[subscriber].queue.pop(self._limits.message_bytes_max)

    def take(self, subscriber: int, now_s: float) -> Taken:
        """Return what to write now: queued messages, else a snapshot's next part, else ticks."""
        state = self._subscribers[subscriber]
        if state.is_let_go:
            return Taken(is_let_go=True)
        if len(state.queue):
            return Taken(state.queue.pop(self._limits.message_bytes_max), wait_s=0.0)
        if state.snapshots:
            return self._take_snapshot(state)
        if now_s < state.due_s:
            return Taken(wait_s=state.due_s - now_s)
        return self._take_ticks(subscriber, state, now_s)

    def _take_snapshot(self, state: _Subscriber) -> Taken:
        job, wants = state.snapshots[0], state.wants
        slots = job.slots[job.position : job.position + ROWS_PER_MESSAGE_MAX]
        # What moved since is owed as a tick already, what was given up is not sent at all.
        is_due = (self._latest.sequences[slots] <= job.snapshot_id) & wants.has(slots)
        due = np.flatnonzero(is_due)
        payloads = self._fitting(state, np.searchsorted(wants.slots, slots[due]))
        is_cut = len(payloads) < len(due)
        job.position += int(due[len(payloads)]) if is_cut else len(slots)
        if job.is_done:
            state.snapshots.pop(0)
        dialect = self._dialects[state.dialect]
        message = dialect.snapshot(job.snapshot_id, payloads, job.is_done)
        return Taken([message], ticks=len(payloads), wait_s=0.0)

    def _take_ticks(self, subscriber: int, state: _Subscriber, now_s: float) -> Taken:
        wants = state.wants
        owed = wants.owed(self._latest.sequences)
        if not len(owed):
            interest.clear(self._woken, subscriber)
            return Taken()
        places = owed[:ROWS_PER_MESSAGE_MAX]
        payloads = self._fitting(state, places)
        sent = places[: len(payloads)]
        wants.sent[sent] = self._latest.sequences[wants.slots[sent]]
        message = self._dialects[state.dialect].ticks(payloads)
        if len(sent) < len(owed):
            return Taken([message], ticks=len(payloads), wait_s=0.0)
        # Nothing is owed any more: the next record wakes, then the interval is waited for.
        interest.clear(self._woken, subscriber)
        state.due_s = now_s + state.min_interval_s
        return Taken([message], ticks=len(payloads))

    def _fitting(self, state: _Subscriber, places: Slots) -> list[bytes]:
        """Return payloads of the first wants at these places: one, then more while they fit."""
        payloads = self._encoded(state, places)
        bytes_max = self._limits.message_bytes_max
        if sum(map(len, payloads)) <= bytes_max:
            return payloads
        total = np.cumsum([len(payload) for payload in payloads])
        return payloads[: max(1, int(np.searchsorted(total, bytes_max, side="right")))]

    def _encoded(self, state: _Subscriber, places: Slots) -> list[bytes]:
        wants, payloads = state.wants, self._payloads[state.dialect]
        slots = wants.slots[places]
        if wants.only_mode is not None:
            return payloads.of(wants.only_mode, slots)
        modes = wants.modes[places]
        by_place: list[bytes] = [b""] * len(places)
        for mode in np.unique(modes).tolist():
            ours = np.flatnonzero(modes == mode)
            for place, payload in zip(ours.tolist(), payloads.of(mode, slots[ours]), strict=True):
                by_place[place] = payload
        return by_place

    def _admit(self, tokens: Tokens) -> Slots:
        slots = self._latest.admit(tokens)
        self._interest.make_room(self._latest.capacity)
        return slots

    def _post_all(self, subscribers: list[int], message: bytes) -> list[int]:
        for subscriber in subscribers:
            self.post(subscriber, message)
        return subscribers

    def _release(self, subscriber: int, slots: Slots) -> None:
        self._interest.remove(subscriber, slots)
        unwanted = self._interest.unwanted(slots)
        for payloads in self._payloads:
            payloads.forget(unwanted)
