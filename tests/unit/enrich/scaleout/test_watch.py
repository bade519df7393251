"""What a worker on Kafka tells of its lag, and of partitions that went elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from prometheus_client import REGISTRY

from enrich import metrics
from enrich.scaleout.ledger import Ledger
from enrich.scaleout.partition import Held
from enrich.scaleout.watch import Watch
from shared.clock import ManualClock

NOW_MS = 1_790_000_000_000


def held(partition: int, *, delivered: int, age_s: float = 0.0) -> Held:
    made: Any = SimpleNamespace()
    return Held(Ledger(partition, delivered), made, 1, 1, newest_ms=NOW_MS - round(age_s * 1000))


def watching(*partitions: Held) -> Watch:
    app: Any = SimpleNamespace(rebalancing=False, consumer_generation_id=1)
    by_number = {each.ledger.partition: each for each in partitions}
    return Watch(app, by_number, 60.0, ManualClock(NOW_MS * 1_000_000))


def told(name: str, partition: int) -> float | None:
    labels = {"shard": str(partition)}
    return REGISTRY.get_sample_value(f"tickflow_enrich_kafka_{name}", labels)


def test_lag_of_a_partition_is_the_age_of_what_was_delivered_last_while_more_waits() -> None:
    watching(held(0, delivered=5, age_s=7), held(1, delivered=9, age_s=7))._check_progress(
        {0: 12, 1: 9}
    )
    assert (told("lag_messages", 0), told("lag_seconds", 0)) == (7, 7)
    assert (told("lag_messages", 1), told("lag_seconds", 1)) == (0, 0)


def test_partition_that_went_elsewhere_is_told_of_no_more() -> None:
    watch = watching(held(0, delivered=5, age_s=30), held(1, delivered=9))
    metrics.KAFKA_UNCOMMITTED.labels(0).set(3)
    watch._check_progress({0: 12, 1: 9})
    assert told("lag_seconds", 0) == 30
    watch._check_progress({1: 9})
    for name in ("lag_seconds", "lag_messages", "uncommitted_messages"):
        assert told(name, 0) is None
    assert told("lag_seconds", 1) == 0


def test_age_of_the_last_batch_is_forgotten_once_nothing_waits() -> None:
    watch = watching(held(0, delivered=5, age_s=30))
    metrics.LAG_SECONDS.set(30)
    watch._check_progress({0: 12})
    assert REGISTRY.get_sample_value("tickflow_enrich_stream_lag_seconds") == 30
    watch._check_progress({0: 5})
    assert REGISTRY.get_sample_value("tickflow_enrich_stream_lag_seconds") == 0
