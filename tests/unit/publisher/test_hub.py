"""The hub gives everybody the newest of what they want, within their bounds."""

import json
from dataclasses import replace

import numpy as np
import pytest

from publisher.fanout.dialects import JSON
from publisher.fanout.hub import SNAPSHOTS_MAX, Hub, HubLimits
from publisher.protocol.modes import MODES
from tests.support.publisher_rows import rows

LIMITS = HubLimits(
    subscribers_max=70, instruments_max=1000, queue_bytes_max=1000, message_bytes_max=500
)
LTP = MODES.index("ltp")
FULL = MODES.index("full")


def tokens(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


def hub_of(**changes) -> Hub:
    return Hub(replace(LIMITS, **changes), [JSON])


def want(hub: Hub, subscriber: int, *numbers: int, mode: int = LTP, snapshot: bool = True) -> None:
    wanted = tokens(*numbers)
    fits = hub.room(subscriber, wanted, 1000)
    hub.want(subscriber, wanted[fits], mode, has_snapshot=snapshot)
    if snapshot:
        hub.snapshot(subscriber, wanted[fits])


def drain(hub: Hub, subscriber: int, now_s: float = 0.0, limit: int = 1000) -> list[dict]:
    """Take until there is nothing more to write now."""
    messages = []
    for _ in range(limit):
        taken = hub.take(subscriber, now_s)
        messages += [json.loads(message) for message in taken.messages]
        if taken.is_let_go or taken.wait_s is None or taken.wait_s > 0:
            return messages
    return messages


def prices(messages: list[dict]) -> list[tuple[int, float]]:
    return [
        (row["instrument_token"], row["last_price"])
        for message in messages
        for row in message.get("ticks", ())
    ]


def test_a_snapshot_comes_first_then_what_moves() -> None:
    hub = hub_of()
    hub.apply(rows((1, 10.0), (2, 20.0)))
    one = hub.open()
    want(hub, one, 1, 2, 3)
    (snapshot,) = drain(hub, one)
    assert (snapshot["op"], snapshot["last"], snapshot["snapshot_id"]) == ("snapshot", True, 2)
    assert prices([snapshot]) == [(1, 10.0), (2, 20.0)]
    hub.apply(rows((2, 21.0), (4, 40.0), (3, 30.0)))
    (ticks,) = drain(hub, one)
    assert ticks["op"] == "ticks"
    assert prices([ticks]) == [(2, 21.0), (3, 30.0)]
    assert all(row["sequence"] > snapshot["snapshot_id"] for row in ticks["ticks"])
    assert drain(hub, one) == []


def test_what_moves_under_a_snapshot_comes_once_as_a_tick() -> None:
    hub = hub_of()
    hub.apply(rows((1, 10.0), (2, 20.0)))
    one = hub.open()
    want(hub, one, 1, 2)
    hub.apply(rows((1, 11.0)))
    messages = drain(hub, one)
    assert [message["op"] for message in messages] == ["snapshot", "ticks"]
    assert prices(messages) == [(2, 20.0), (1, 11.0)]


def test_an_empty_snapshot_still_says_that_it_is_over() -> None:
    hub = hub_of()
    one = hub.open()
    want(hub, one, 1)
    assert [message["last"] for message in drain(hub, one)] == [True]


def test_without_a_snapshot_only_what_moves_is_told() -> None:
    hub = hub_of()
    hub.apply(rows((1, 10.0)))
    one = hub.open()
    want(hub, one, 1, snapshot=False)
    assert drain(hub, one) == []
    hub.apply(rows((1, 11.0)))
    assert prices(drain(hub, one)) == [(1, 11.0)]


def test_subscribing_again_without_a_snapshot_keeps_what_is_owed() -> None:
    hub = hub_of()
    one = hub.open()
    want(hub, one, 1, snapshot=False)
    hub.apply(rows((1, 10.0)))
    want(hub, one, 1, 2, snapshot=False)
    assert prices(drain(hub, one)) == [(1, 10.0)]


def test_what_was_not_read_in_time_is_conflated_to_the_newest() -> None:
    hub = hub_of()
    one = hub.open()
    want(hub, one, 1, 2, snapshot=False)
    for price in range(100):
        hub.apply(rows((1, float(price)), (2, 2.0)))
    assert prices(drain(hub, one)) == [(1, 99.0), (2, 2.0)]


def test_a_minimum_interval_holds_ticks_back_but_no_queued_message() -> None:
    hub = hub_of()
    one = hub.open()
    hub.policies.pace(one, 0.2)
    want(hub, one, 1, snapshot=False)
    hub.apply(rows((1, 1.0)))
    assert prices(drain(hub, one, now_s=10.0)) == [(1, 1.0)]
    hub.apply(rows((1, 2.0)))
    hub.post(one, b'{"op":"order"}')
    assert drain(hub, one, now_s=10.1) == [{"op": "order"}]
    assert hub.take(one, 10.15).wait_s == pytest.approx(0.05)
    assert prices(drain(hub, one, now_s=10.2)) == [(1, 2.0)]


def test_only_those_concerned_are_woken_and_only_once() -> None:
    hub = hub_of()
    one, two, three = hub.open(), hub.open(), hub.open()
    want(hub, one, 1, snapshot=False)
    want(hub, two, 1, 2, snapshot=False)
    want(hub, three, 3, snapshot=False)
    assert hub.apply(rows((1, 1.0))).wake == [one, two]
    assert hub.apply(rows((1, 2.0), (2, 2.0))).wake == []
    drain(hub, one)
    assert hub.apply(rows((1, 3.0))).wake == [one]
    assert hub.apply(rows((1, 3.0), (2, 3.0))).pairs == 3


def test_a_payload_is_encoded_once_for_everybody() -> None:
    hub = hub_of()
    subscribers = [hub.open() for _ in range(50)]
    for subscriber in subscribers:
        want(hub, subscriber, 1, snapshot=False)
    hub.apply(rows((1, 1.0)))
    for subscriber in subscribers:
        assert prices(drain(hub, subscriber)) == [(1, 1.0)]
    assert hub.encoded == 1


def test_each_subscriber_has_its_own_mode() -> None:
    hub = hub_of(message_bytes_max=100_000)
    one, two = hub.open(), hub.open()
    want(hub, one, 1, mode=LTP)
    want(hub, two, 1, mode=FULL)
    hub.apply(rows((1, 1.0)))
    assert "bid_price" not in drain(hub, one)[-1]["ticks"][0]
    assert "bid_price" in drain(hub, two)[-1]["ticks"][0]
    want(hub, one, 1, mode=FULL)
    assert "bid_price" in drain(hub, one)[-1]["ticks"][0]


def channel_of(hub: Hub, name: str, **bounds) -> None:
    hub.channels.add(name, **{"entries_max": 10, "bytes_max": 10_000, **bounds})


def test_who_does_not_read_what_may_not_be_left_out_is_let_go() -> None:
    hub = hub_of()
    channel_of(hub, "orders:SB0001")
    one, two = hub.open(), hub.open()
    hub.channels.follow(one, "orders:SB0001")
    hub.channels.follow(two, "orders:SB0001")
    for number in range(50):
        assert hub.channels.tell("orders:SB0001", f"{number}-0", {"n": number}) == [one, two]
        assert drain(hub, two) == [{"n": number}]
    assert hub.take(one, 0.0).is_let_go
    assert not hub.take(two, 0.0).is_let_go


def test_answers_that_are_not_read_end_the_connection() -> None:
    hub = hub_of()
    one = hub.open()
    for _ in range(50):
        hub.post(one, b"x" * 100)
    assert hub.take(one, 0.0).is_let_go


def test_order_events_reach_only_those_who_follow_the_account() -> None:
    hub = hub_of()
    one, two = hub.open(), hub.open()
    for account in ("SB0001", "SB0002"):
        channel_of(hub, account)
    hub.channels.follow(one, "SB0001")
    hub.channels.follow(two, "SB0002")
    assert hub.channels.tell("SB0001", "1-0", {"n": 1}) == [one]
    hub.channels.unfollow(one, "SB0001")
    assert hub.channels.tell("SB0001", "2-0", {"n": 2}) == []
    assert drain(hub, one) == []
    hub.channels.follow(one, "SB0001", hub.channels.get("SB0001").after("0-7"))
    assert drain(hub, one) == []
    hub.channels.follow(one, "SB0001", hub.channels.get("SB0001").after("1-0"))
    assert drain(hub, one) == [{"n": 2}]


def test_a_gap_is_told_to_those_who_want_one_of_its_instruments() -> None:
    hub = hub_of()
    one, two, three = hub.open(), hub.open(), hub.open()
    for subscriber in (one, two):
        hub.hear_gaps(subscriber, wanted=True)
    want(hub, one, 1)
    want(hub, two, 2)
    want(hub, three, 1)
    assert hub.gap(tokens(1, 999), {}) == [one]
    assert hub.gap(tokens(), {}) == [one, two]
    hub.hear_gaps(one, wanted=False)
    assert hub.gap(tokens(1), {}) == []


def test_a_quota_counts_instruments_not_requests() -> None:
    hub = hub_of()
    one = hub.open()
    want(hub, one, 1, 2)
    assert hub.room(one, tokens(1, 2, 3, 4), 3).tolist() == [True, True, True, False]


def test_there_is_room_for_so_many_subscribers_again_and_again() -> None:
    hub = hub_of(subscribers_max=2)
    one, two = hub.open(), hub.open()
    assert hub.open() is None
    want(hub, two, 1, snapshot=False)
    hub.apply(rows((1, 1.0)))
    hub.close(two)
    three = hub.open()
    assert three is not None
    assert hub.apply(rows((1, 2.0))).wake == []
    want(hub, three, 1, snapshot=False)
    assert hub.apply(rows((1, 3.0))).wake == [three]
    assert hub.subscribers == 2
    assert drain(hub, one) == []


def test_so_many_snapshots_are_enough() -> None:
    hub = hub_of()
    one = hub.open()
    for _ in range(SNAPSHOTS_MAX):
        assert not hub.is_busy(one)
        want(hub, one, 1)
    assert hub.is_busy(one)


def test_last_words_are_what_was_queued() -> None:
    hub = hub_of()
    one = hub.open()
    hub.post(one, b"1")
    assert hub.last_words(one).messages == [b"1"]
