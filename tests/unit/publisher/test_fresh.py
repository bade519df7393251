"""Who wants every tick gets each once, in order, whatever others do meanwhile."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.fanout import fresh
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.flow import Source
from publisher.fanout.hub import Hub, HubLimits
from publisher.protocol.modes import MODES
from tests.support.publisher_rows import rows

LIMITS = HubLimits(
    subscribers_max=70, instruments_max=50, queue_bytes_max=1000, message_bytes_max=1500
)
LTP, QUOTE = MODES.index("ltp"), MODES.index("quote")
READERS = 4
TOKENS = 5

ticks = st.lists(st.integers(1, TOKENS), min_size=1, max_size=6)
step = st.one_of(
    st.tuples(st.just("apply"), ticks),
    st.tuples(st.just("together"), st.sets(st.integers(0, READERS - 1))),
    st.tuples(st.just("alone"), st.integers(0, READERS - 1)),
    st.tuples(st.just("mode"), st.integers(0, READERS - 1)),
)


class Reader:
    """A strict subscriber with the ticks it was told: token and price, in order."""

    def __init__(self, hub: Hub, wanted: set[int]) -> None:
        self.wanted = wanted
        self.told: list[tuple[int, float]] = []
        self.at: dict[str, str] = {}
        self._hub = hub
        subscriber = hub.open()
        assert subscriber is not None
        self.number = subscriber
        hub.policies.flow(subscriber, is_strict=True)
        self.want(LTP)

    def want(self, mode: int, wanted: set[int] | None = None) -> None:
        tokens = np.array(sorted(wanted or self.wanted), np.uint32)
        assert self._hub.room(self.number, tokens, TOKENS).all()
        self._hub.want(self.number, tokens, mode, has_snapshot=False)

    def hear(self, message: bytes) -> None:
        told = json.loads(message)
        sequences = [tick["sequence"] for tick in told["ticks"]]
        assert sequences == sorted(set(sequences))
        self.told += [(tick["instrument_token"], tick["last_price"]) for tick in told["ticks"]]
        if "at" in told:
            assert all(
                _number(told["at"][each]) >= _number(self.at[each])
                for each in self.at
                if each in told["at"]
            )
            self.at |= told["at"]

    def read_all(self) -> None:
        while (taken := self._hub.take(self.number, 0.0)).messages:
            for message in taken.messages:
                self.hear(message)


def _number(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def together(hub: Hub, readers: list[Reader]) -> None:
    parcels, singly = hub.take_together([reader.number for reader in readers], 0.0)
    by_number = {reader.number: reader for reader in readers}
    for number, frame, count in parcels:
        if frame:
            body = frame[frame.index(b'{"op"') :]
            assert len(json.loads(body)["ticks"]) == count
            by_number[number].hear(body)
    for number in singly:
        by_number[number].read_all()


@given(
    wishes=st.lists(
        st.sets(st.integers(1, TOKENS), min_size=1), min_size=READERS, max_size=READERS
    ),
    steps=st.lists(step, max_size=30),
    rows_max=st.sampled_from([3, 4096]),
)
@settings(max_examples=50, deadline=None)
def test_every_tick_is_told_once_and_in_order_however_readers_are_served(
    wishes: list[set[int]], steps: list, rows_max: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh, "ROWS_MAX", rows_max)
        hub = Hub(LIMITS, DIALECTS)
        readers = [Reader(hub, wanted) for wanted in wishes]
        given_out: list[tuple[int, float]] = []
        for entries, (what, which) in enumerate(steps, start=1):
            if what == "apply":
                pairs = [(token, float(len(given_out) + n)) for n, token in enumerate(which)]
                given_out += pairs
                hub.apply(rows(*pairs), Source(str(entries % 2), f"{entries}-0"))
            elif what == "together":
                together(hub, [readers[each] for each in sorted(which)])
            elif what == "alone":
                readers[which].read_all()
            else:
                # Of several modes: no longer served with those of one.
                readers[which].want(QUOTE, {min(readers[which].wanted)})
        for reader in readers:
            together(hub, [reader])
            assert reader.told == [pair for pair in given_out if pair[0] in reader.wanted]


def test_what_nobody_reads_waits_in_lines_of_its_own_past_the_bound() -> None:
    hub = Hub(LIMITS, DIALECTS)
    stalled, healthy = Reader(hub, {1}), Reader(hub, {1, 2})
    for entry in range(1, 21):
        batch = rows(*((1 + place % 2, float(place)) for place in range(300)))
        hub.apply(batch, Source("0", f"{entry}-0"))
        together(hub, [healthy])
        assert hub.waiting_rows <= fresh.ROWS_MAX
    assert len(healthy.told) == 6000
    stalled.read_all()
    assert len(stalled.told) == 3000
    assert hub.waiting_rows == 0


def test_a_strict_subscriber_over_its_budget_is_let_go_and_others_miss_nothing() -> None:
    hub = Hub(LIMITS, DIALECTS)
    stalled, healthy = Reader(hub, {1}), Reader(hub, {1})
    hub.policies.flow(stalled.number, is_strict=True, bytes_max=100_000)
    for entry in range(1, 30):
        hub.apply(rows(*((1, float(place)) for place in range(200))), Source("0", f"{entry}-0"))
        together(hub, [healthy])
    assert hub.take(stalled.number, 0.0).is_let_go
    assert len(healthy.told) == 29 * 200
