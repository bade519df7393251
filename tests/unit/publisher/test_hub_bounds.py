"""Whatever happens: bounds hold, order is kept, the last value arrives."""

import json

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from publisher.hub import Hub, HubLimits
from publisher.protocol import JSON
from tests.support.publisher_rows import rows

SUBSCRIBERS = 3
ENVELOPE_BYTES_MAX = 100
LIMITS = HubLimits(
    subscribers_max=SUBSCRIBERS, instruments_max=50, queue_bytes_max=1000, message_bytes_max=2500
)

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

    def read(self, message: bytes) -> None:
        if self.posted and message == self.posted[0]:
            self.posted.pop(0)
            return
        assert not self.posted, "a queued message was overtaken"
        assert len(message) <= LIMITS.message_bytes_max + ENVELOPE_BYTES_MAX
        decoded = json.loads(message)
        for row in decoded["ticks"]:
            self._see(row, decoded.get("snapshot_id"))

    def _see(self, row: dict, snapshot_id: int | None) -> None:
        token, sequence = row["instrument_token"], row["sequence"]
        assert token in self.owed_after
        before = self.seen.get(token, (0, 0.0))[0]
        if snapshot_id is None:
            assert sequence > before
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
        self.hub.apply(rows(*pairs))
        self.newest.update(pairs)

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

    @invariant()
    def bounds_hold(self) -> None:
        for client in self.clients:
            state = self.hub._subscribers[client.subscriber]
            assert state.queue.bytes <= LIMITS.queue_bytes_max
            assert len(state.wants) == len(client.owed_after)

    def _take(self, client: Client) -> bool:
        taken = self.hub.take(client.subscriber, 0.0)
        client.is_let_go |= taken.is_let_go
        for message in taken.messages:
            client.read(message)
        return bool(taken.messages)


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
