"""The metrics say what waits for subscribers and what was left out, as the hub has it."""

from __future__ import annotations

import numpy as np
from prometheus_client import REGISTRY

from publisher.door.standing import Standing, spread
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.hub import Hub, HubLimits
from tests.support.publisher_rows import rows

LIMITS = HubLimits(
    subscribers_max=4,
    instruments_max=10,
    queue_bytes_max=100_000,
    message_bytes_max=100_000,
    flow_bytes_max=2000,
)
ONE = np.array([1], np.uint32)


def told(metric: str, **labels: str) -> float:
    value = REGISTRY.get_sample_value(f"tickflow_publisher_{metric}", labels)
    assert value is not None, metric
    return value


def take_all(hub: Hub, subscriber: int) -> None:
    while hub.take(subscriber, 0.0).messages:
        pass


def test_sizes_are_counted_at_their_bound_and_at_all_above_it() -> None:
    assert spread([]) == [0, 0, 0, 0, 0, 0, 0]
    assert spread([0, 1, 4096, 4097, 2**22, 2**22 + 1]) == [1, 3, 4, 4, 4, 5, 6]


def test_a_message_that_waits_is_seen_until_it_is_taken() -> None:
    hub = Hub(LIMITS, DIALECTS)
    standing, one = Standing(hub), hub.open()
    assert one is not None
    assert hub.open() is not None
    hub.post(one, b"x" * 5000)
    standing.look()
    by_bound = [told("queued_subscribers", le=le) for le in ("0", "4096", "65536", "+Inf")]
    assert by_bound == [1, 1, 2, 2]
    take_all(hub, one)
    standing.look()
    assert told("queued_subscribers", le="0") == told("queued_subscribers", le="+Inf") == 2


def test_ticks_of_one_that_wants_each_wait_within_its_budget_then_count_as_skipped() -> None:
    hub = Hub(LIMITS, DIALECTS)
    standing, one = Standing(hub), hub.open()
    assert one is not None
    assert hub.room(one, ONE, 1).all()
    hub.want(one, ONE, 0, has_snapshot=False)
    hub.policies.flow(one, is_strict=False)
    before = told("skipped_ticks_total", policy="skip")
    strict = told("skipped_ticks_total", policy="strict")
    hub.apply(rows((1, 1.0)))
    assert not hub.policies.is_caught_up(one)
    (waiting,) = hub.waiting_bytes
    assert 0 < waiting < LIMITS.flow_bytes_max
    entries = LIMITS.flow_bytes_max // waiting + 1
    for price in range(entries):
        hub.apply(rows((1, 2.0 + price)))
    take_all(hub, one)
    standing.look()
    # All but the newest: that one is told.
    assert told("skipped_ticks_total", policy="skip") - before == entries
    assert told("skipped_ticks_total", policy="strict") == strict
    standing.look()
    assert told("skipped_ticks_total", policy="skip") - before == entries, "told once"
