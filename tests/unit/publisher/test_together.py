"""Many subscribers served at once get what each would get alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.fanout.dialects import DIALECTS
from publisher.fanout.flow import Source
from publisher.fanout.hub import Hub, HubLimits
from publisher.protocol.modes import MODES
from tests.support.publisher_rows import rows

LIMITS = HubLimits(
    subscribers_max=70, instruments_max=50, queue_bytes_max=1000, message_bytes_max=2500
)
LTP = MODES.index("ltp")
TOKENS = 8

wanted = st.sets(st.integers(1, TOKENS), max_size=TOKENS)
batches = st.lists(
    st.lists(
        st.tuples(st.integers(1, TOKENS), st.integers(0, 9).map(float)), min_size=1, max_size=6
    ),
    max_size=6,
)


def tokens(numbers) -> np.ndarray:
    return np.array(sorted(numbers), np.uint32)


def messages_of(frame: bytes) -> list[bytes]:
    if not frame:
        return []
    width = {126: 2, 127: 8}.get(frame[1], 0)
    return [frame[2 + width :]]


def subscribe(hub: Hub, wishes: list, dialect: int, policy: str) -> list[int]:
    subscribers = []
    for wish in wishes:
        subscriber = hub.open(dialect)
        assert hub.room(subscriber, tokens(wish), TOKENS).all()
        hub.want(subscriber, tokens(wish), LTP, has_snapshot=False)
        if policy == "strict":
            hub.policies.flow(subscriber, is_strict=True)
        # What it was given singly before: from there on all of it is at one level.
        assert hub.take(subscriber, 0.0).wait_s is None
        subscribers.append(subscriber)
    return subscribers


@given(
    wishes=st.lists(wanted, min_size=1, max_size=5),
    dialect=st.integers(0, len(DIALECTS) - 1),
    policy=st.sampled_from(["conflate", "strict"]),
    steps=st.lists(batches, min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_a_parcel_holds_byte_for_byte_what_its_subscriber_would_have_been_given(
    wishes: list, dialect: int, policy: str, steps: list
) -> None:
    together, alone = Hub(LIMITS, DIALECTS), Hub(LIMITS, DIALECTS)
    subscribers = subscribe(together, wishes, dialect, policy)
    assert subscribe(alone, wishes, dialect, policy) == subscribers
    entries = 0
    for step in steps:
        for pairs in step:
            entries += 1
            for hub in (together, alone):
                hub.apply(rows(*pairs), Source("0", f"{entries}-0"))
        parcels, singly = together.take_together(subscribers, 0.0)
        # Who wants nothing has no mode either: it is asked singly, in vain.
        expected = {each: alone.take(each, 0.0) for each in subscribers}
        assert {each for each, _, _ in parcels} | set(singly) == set(subscribers)
        for subscriber, frame, ticks in parcels:
            assert ticks == expected[subscriber].ticks
            assert messages_of(frame) == list(expected[subscriber].messages)
            assert expected[subscriber].wait_s is None
        for subscriber in singly:
            assert together.take(subscriber, 0.0) == expected[subscriber]


def test_whoever_wants_the_same_gets_the_same_bytes_encoded_once() -> None:
    hub = Hub(LIMITS, DIALECTS)
    for policy in ("conflate", "strict"):
        ours = subscribe(hub, [{1, 2, 3}] * 3 + [{1, 2}], 0, policy)
        before = hub.encoded
        hub.apply(rows((1, 1.0), (3, 3.0)), Source("0", "1-0"))
        parcels, _ = hub.take_together(ours, 0.0)
        one, two, three, other = (frame for _, frame, _ in parcels)
        assert one == two == three != other
        # Those of before, under the other policy, have left nothing to encode.
        assert hub.encoded == before + 2


def test_a_parcel_ends_a_turn_as_taking_does() -> None:
    hub = Hub(LIMITS, DIALECTS)
    (one,) = subscribe(hub, [{1}], 0, "conflate")
    hub.policies.pace(one, 0.5)
    assert hub.apply(rows((1, 1.0))).wake == [one]
    assert hub.apply(rows((1, 2.0))).wake == []
    (parcel,), _ = hub.take_together([one], 10.0)
    assert json.loads(*messages_of(parcel[1]))["ticks"][0]["last_price"] == 2.0
    assert hub.apply(rows((1, 3.0))).wake == [one]
    assert hub.take_together([one], 10.2) == ([], [one])
    assert hub.take(one, 10.2).wait_s == pytest.approx(0.3)
    assert hub.take_together([one], 10.5)[0][0][2] == 1


def test_who_is_owed_more_than_ticks_is_asked_singly() -> None:
    hub = Hub(LIMITS, DIALECTS)
    posted, snapshot, long, plain = subscribe(hub, [{1}, {1}, set(range(1, 9)), {1}], 0, "conflate")
    hub.post(posted, b"{}")
    hub.apply(rows(*((token, 1.0) for token in range(1, 9))))
    hub.snapshot(snapshot, tokens({1}))
    hub._together._bytes_max = 500
    parcels, singly = hub.take_together([posted, snapshot, long, plain], 0.0)
    assert [parcel[0] for parcel in parcels] == [plain]
    assert sorted(singly) == sorted([posted, snapshot, long])
    assert hub.take(posted, 0.0).messages == [b"{}"]
    assert hub.take(long, 0.0).ticks == 8


@pytest.mark.parametrize("is_strict", [False, True])
def test_who_falls_behind_as_it_is_served_is_told_so_at_once(is_strict) -> None:
    hub = Hub(LIMITS, DIALECTS)
    (one,) = subscribe(hub, [{1}], 0, "conflate")
    hub.policies.flow(one, is_strict=is_strict)
    hub.apply(rows((1, 1.0)))
    hub.policies.flow(one, is_strict=is_strict)  # now what came waits in its own line
    held = hub._ledgers[one].flow
    held.bytes_max = held.bytes
    hub.apply(rows((1, 2.0)))
    assert hub.take_together([one], 0.0) == ([], [one])
    taken = hub.take(one, 0.0)
    assert taken.is_let_go if is_strict else json.loads(taken.messages[0])["op"] == "skipped"
