"""Faust told to commit what we delivered, whatever it believes to be done."""

from __future__ import annotations

import pytest
from faust.types import TP

from enrich.scaleout.hosting import APP_ID, faust_app
from enrich.settings import EnrichOptions
from shared.streams.kafka_settings import KafkaSettings
from shared.wire.topics import RAW_TICKS

KAFKA = KafkaSettings(servers="127.0.0.1:1, 127.0.0.1:2")


def consumer_of(positions: dict[int, int], assigned: set[TP], committed: dict[TP, int]):
    """Return a consumer that is not connected, with what it would know if it were."""
    app = faust_app(KAFKA, EnrichOptions(), lambda: positions)
    consumer = object.__new__(app.transport.Consumer)
    consumer._acked = {tp: [1, 2, 3] for tp in assigned}
    consumer._acked_index = {tp: {1, 2, 3} for tp in assigned}
    consumer._gap = {}
    consumer._committed_offset = {tp: committed.get(tp) for tp in assigned}
    consumer.assignment = lambda: assigned
    return consumer


def place(partition: int) -> TP:
    return TP(RAW_TICKS.prefix, partition)


@pytest.mark.parametrize(
    ("positions", "committed", "commits"),
    [
        ({0: 7}, {}, {0: 7}),
        ({0: 7}, {0: 7}, {}),
        ({0: 7}, {0: 9}, {}),  # never backwards
        ({0: 7, 5: 3}, {0: 2}, {0: 7}),  # 5 is not assigned to us
        ({}, {0: 2}, {}),  # acknowledged to Faust, not delivered
    ],
)
def test_only_what_is_delivered_of_what_is_assigned_is_committed(
    positions, committed, commits
) -> None:
    consumer = consumer_of(
        positions, {place(0), place(1)}, {place(p): at for p, at in committed.items()}
    )
    tps = list(consumer._filter_tps_with_pending_acks())
    found = consumer._filter_committable_offsets(tps)
    assert found == {place(partition): at for partition, at in commits.items()}


def test_fausts_own_book_is_emptied_so_that_it_does_not_grow() -> None:
    consumer = consumer_of({0: 7}, {place(0)}, {})
    list(consumer._filter_tps_with_pending_acks())
    assert not consumer._acked
    assert not consumer._acked_index


def test_app_reads_from_the_oldest_and_declares_no_topic() -> None:
    app = faust_app(KAFKA, EnrichOptions(), dict)
    assert app.conf.id == APP_ID
    assert app.conf.consumer_auto_offset_reset == "earliest"
    assert not app.conf.topic_allow_declare
    assert not app.conf.web_enabled
    assert [f"{url.host}:{url.port}" for url in app.conf.broker] == ["127.0.0.1:1", "127.0.0.1:2"]
