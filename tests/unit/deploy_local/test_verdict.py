"""What a finished run is blamed for."""

from __future__ import annotations

import msgspec

from deploy.local.verdict import Watched, complaints

GOOD = Watched(
    ticks_total=10,
    stood_still=[],
    order="it is OPEN",
    order_went_through=True,
    restarts=[],
    drained_badly=[],
)


def test_a_good_run_is_blamed_for_nothing() -> None:
    assert complaints(GOOD, everything=True) == []


def test_a_run_without_ticks_or_order_is_blamed_for_both() -> None:
    bad = msgspec.structs.replace(GOOD, ticks_total=0, order_went_through=False, order="REFUSED")
    found = complaints(bad, everything=True)
    assert [sentence.split(":")[0] for sentence in found] == [
        "no tick reached the consumer",
        "the order did not go through",
    ]


def test_a_run_that_a_person_ended_early_is_blamed_for_its_drain_only() -> None:
    bad = msgspec.structs.replace(GOOD, ticks_total=0, drained_badly=["enrich did not drain"])
    assert complaints(bad, everything=False) == ["enrich did not drain"]


def test_a_frozen_figure_is_blamed() -> None:
    bad = msgspec.structs.replace(GOOD, stood_still=["the price showed the same"])
    assert complaints(bad, everything=True) == ["the price showed the same"]


def test_a_worker_that_was_started_again_is_blamed_where_everything_was_to_be_shown() -> None:
    bad = msgspec.structs.replace(GOOD, restarts=["enrich was started again"])
    assert complaints(bad, everything=True) == ["enrich was started again"]
    assert complaints(bad, everything=False) == []
