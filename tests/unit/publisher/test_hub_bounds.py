"""Whatever happens: bounds hold, order is kept, the last value arrives, the rest is counted."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from publisher.fanout.dialects import JSON
from publisher.fanout.hub import Hub, HubLimits
from tests.support.publisher_rows import rows

SUBSCRIBERS = 3
ENVELOPE_BYTES_MAX = 100
LIMITS = HubLimits(
    subscribers_max=SUBSCRIBERS,
    instruments_max=50,
    queue_bytes_max=1000,
    message_bytes_max=2500,
    flow_bytes_max=6000,
)


def body_of(frame: bytes) -> bytes:
    """Return the message of a text frame, whose length must be what its header says."""
    assert frame[0] == 0x81
    width = {126: 2, 127: 8}.get(frame[1], 0)
    body = frame[2 + width :]
    assert len(body) == (int.from_bytes(frame[2 : 2 + width], "big") if width else frame[1])
    return body


indexes = st.integers(0, SUBSCRIBERS - 1)
numbers = st.sets(st.integers(1, 12), max_size=6).map(
    lambda chosen: np.array(sorted(chosen), np.uint32)
)
prices = st.integers(0, 99).map(float)


class Client:
    """What one subscriber has been told, checked as it is told."""

    def __init__(self, subscriber: int) -> None:
        self.subscriber = subscriber
        self.seen: dict[int, tuple[int, float]] = {}
        #: Sequence above which each wanted instrument has to be told.
        self.owed_after: dict[int, int] = {}
        self.posted: list[bytes] = []
        self.is_let_go = False
        self.policy = "conflate"
        #: Sequences due since every tick is wanted, by instrument; None where that is not known.
        self.due: dict[int, list[int]] | None = None
        self.skipped = self.told = 0

    def read(self, message: bytes) -> None:
        if self.posted and message == self.posted[0]:
            self.posted.pop(0)
            return
        assert not self.posted, "a queued message was overtaken"
        assert len(message) <= LIMITS.message_bytes_max + ENVELOPE_BYTES_MAX
        decoded = json.loads(message)
        if decoded["op"] == "skipped":
            assert self.policy != "strict" or self.due is None
            self.skipped += decoded["ticks"]
            return
        for row in decoded["ticks"]:
            self._see(row, decoded.get("snapshot_id"))

    def _see(self, row: dict, snapshot_id: int | None) -> None:
        token, sequence = row["instrument_token"], row["sequence"]
        assert token in self.owed_after
        before = self.seen.get(token, (0, 0.0))[0]
        if snapshot_id is None:
            assert sequence > before
            self.told += 1
            if self.due is not None and self.policy == "strict":
                assert self.due[token].pop(0) == sequence, "a tick is missing"
        else:
            assert before <= sequence <= snapshot_id
        self.seen[token] = (sequence, row["last_price"])


class HubMachine(RuleBasedStateMachine):
    """Three subscribers do what they like while records come."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(LIMITS, [JSON])
        self.clients = [Client(self.hub.open()) for _ in range(SUBSCRIBERS)]
        self.newest: dict[int, float] = {}

    @rule(pairs=st.lists(st.tuples(st.integers(1, 12), prices), min_size=1, max_size=8))
    def apply(self, pairs: list) -> None:
        first = self.hub.sequence + 1
        self.hub.apply(rows(*pairs))
        self.newest.update(pairs)
        for client in self.clients:
            if client.due is not None:
                for sequence, (token, _) in enumerate(pairs, start=first):
                    if token in client.owed_after:
                        client.due.setdefault(token, []).append(sequence)

    @rule(index=indexes, tokens=numbers, mode=st.integers(0, 3), snapshot=st.booleans())
    def want(self, index: int, tokens: np.ndarray, mode: int, snapshot: bool) -> None:
        client = self.clients[index]
        if self.hub.is_busy(client.subscriber):
            return
        assert self.hub.room(client.subscriber, tokens, 12).all()
        self.hub.want(client.subscriber, tokens, mode, has_snapshot=snapshot)
        if snapshot:
            self.hub.snapshot(client.subscriber, tokens)
        for token in tokens.tolist():
            if snapshot:
                client.owed_after[token] = 0
            client.owed_after.setdefault(token, self.hub.sequence)

    @rule(index=indexes, tokens=numbers)
    def unwant(self, index: int, tokens: np.ndarray) -> None:
        client = self.clients[index]
        had = self.hub.unwant(client.subscriber, tokens)
        assert [token in client.owed_after for token in tokens.tolist()] == had.tolist()
        for token in tokens.tolist():
            client.owed_after.pop(token, None)
            if client.due is not None:
                client.due.pop(token, None)

    @rule(index=indexes, policy=st.sampled_from(["conflate", "skip", "strict"]))
    def choose(self, index: int, policy: str) -> None:
        client = self.clients[index]
        client.policy = policy
        client.due = None
        if policy == "conflate":
            self.hub.policies.conflate(client.subscriber)
        else:
            self.hub.policies.flow(client.subscriber, is_strict=policy == "strict")

    @rule(index=indexes, length=st.integers(1, 400))
    def post(self, index: int, length: int) -> None:
        client = self.clients[index]
        message = b"x" * length
        self.hub.post(client.subscriber, message)
        client.posted.append(message)

    @rule(index=indexes, times=st.integers(1, 3))
    def take(self, index: int, times: int) -> None:
        for _ in range(times):
            self._take(self.clients[index])

    @rule(chosen=st.sets(indexes))
    def take_together(self, chosen: set) -> None:
        clients = {self.clients[index].subscriber: self.clients[index] for index in chosen}
        parcels, singly = self.hub.take_together(clients, 0.0)
        assert sorted([*(parcel[0] for parcel in parcels), *singly]) == sorted(clients)
        for subscriber, frame, ticks in parcels:
            before = clients[subscriber].told
            if frame:
                clients[subscriber].read(body_of(frame))
            assert clients[subscriber].told == before + ticks
            assert not self.hub.take(subscriber, 0.0).messages, "more was owed than is in a parcel"

    @precondition(lambda self: self.newest)
    @rule(index=indexes)
    def take_everything(self, index: int) -> None:
        client = self.clients[index]
        while self._take(client):
            pass
        if client.is_let_go:
            return
        for token in client.owed_after.keys() & self.newest.keys():
            slot = self.hub._latest.slots_of(np.array([token], np.uint32))
            if int(self.hub._latest.sequences[slot][0]) > client.owed_after[token]:
                assert client.seen[token][1] == self.newest[token]
        if client.due is not None:
            assert not any(client.due.values()) or client.policy == "skip"
        # From here on every tick has to be told, where the policy is one that tells every tick.
        client.due = None if client.policy == "conflate" else {}

    @invariant()
    def bounds_hold(self) -> None:
        for client in self.clients:
            ledger = self.hub._ledgers[client.subscriber]
            assert ledger.queue.bytes <= LIMITS.queue_bytes_max
            assert len(ledger.wants) == len(client.owed_after)
            if ledger.flow is not None:
                held = ledger.flow.unread()
                assert ledger.flow.bytes == sum(map(len, held)) <= LIMITS.flow_bytes_max
                assert len(ledger.flow) == len(held)

    def _take(self, client: Client) -> bool:
        taken = self.hub.take(client.subscriber, 0.0)
        client.is_let_go |= taken.is_let_go
        for message in taken.messages:
            client.read(message)
        return bool(taken.messages)


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.slow
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(1, 5), prices), min_size=1, max_size=12), max_size=25
    ),
    takes=st.lists(st.integers(0, 2), min_size=25, max_size=25),
)
@settings(max_examples=40, deadline=None)
def test_under_skip_every_tick_is_told_or_counted(batches: list, takes: list) -> None:
    hub = Hub(LIMITS, [JSON])
    client = Client(hub.open())
    client.policy = "skip"
    everything = np.arange(1, 6, dtype=np.uint32)
    client.owed_after = dict.fromkeys(everything.tolist(), 0)
    assert hub.room(client.subscriber, everything, 5).all()
    hub.want(client.subscriber, everything, 2, has_snapshot=False)
    hub.policies.flow(client.subscriber, is_strict=False)

    def take() -> bool:
        messages = hub.take(client.subscriber, 0.0).messages
        for message in messages:
            client.read(message)
        return bool(messages)

    for pairs, times in zip(batches, takes, strict=False):
        hub.apply(rows(*pairs))
        for _ in range(times):
            take()
    while take():
        pass
    assert client.told + client.skipped == sum(map(len, batches))
