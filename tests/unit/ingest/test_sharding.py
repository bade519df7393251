"""Underlyings to shards: by count, by measured packets, balanced again calmly and safely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sharding import (
    MOVES_MAX,
    UNEVEN_MIN,
    assign,
    balanced,
    estimated,
    measured,
    rebalanced,
    weights,
)
from shared.wire.shards import ShardMap
from tests.support.option_chain import market


def placed(**shards: int) -> ShardMap:
    return ShardMap(version=7, shards=max(shards.values()) + 1, underlyings=shards)


def loads(shard_map: ShardMap, weight_of: dict[str, int]) -> list[int]:
    carried = [0] * shard_map.shards
    for name, shard in shard_map.underlyings.items():
        carried[shard] += weight_of.get(name, 0)
    return carried


def test_newest_whole_day_before_today_is_what_is_measured() -> None:
    days_of = {
        "NIFTY": {20261123: 900, 20261124: 800, 20261125: 5, 20261126: 400},
        "INFY": {20261123: 100, 20261124: 200, 20261125: 5, 20261126: 1},
        "QUIET": {20261123: 3},
    }
    assert measured(days_of, 20261126) == {"NIFTY": 800, "INFY": 200}, "the 25th was a holiday"
    assert measured(days_of, 20261124) == {"NIFTY": 900, "INFY": 100, "QUIET": 3}
    assert measured(days_of, 20261123) == {}
    assert measured({}, 20261126) == {}
    assert measured({"NIFTY": {20261125: 0}}, 20261126) == {}


def test_underlying_nobody_measured_counts_as_busy_as_the_middle_one() -> None:
    counted = {"A": 10, "B": 100, "C": 50, "NEW": 20}
    packets = {"A": 1_000, "B": 1_000, "C": 1_500, "GONE": 9}
    assert estimated(counted, packets) == {"A": 1_000, "B": 1_000, "C": 1_500, "NEW": 600}
    assert estimated(counted, {}) == counted


def test_hot_underlying_gets_a_shard_of_its_own() -> None:
    weight_of = {"HOT": 600, "A": 100, "B": 90, "C": 80, "D": 70}
    before = placed(HOT=0, A=0, B=0, C=1, D=2)
    after = rebalanced(before, weight_of, 8)
    alone = after.underlyings["HOT"]
    assert [name for name, shard in after.underlyings.items() if shard == alone] == ["HOT"]
    assert loads(after, weight_of) == [600, 170, 170]
    assert rebalanced(after, weight_of, 9) is after, "what is done stays"


def test_two_hot_underlyings_part() -> None:
    weight_of = {"HOT": 600, "WARM": 500, "A": 50, "B": 40}
    after = rebalanced(placed(HOT=2, WARM=2, A=2, B=0), weight_of, 8)
    shards = after.underlyings
    assert len({shards["HOT"], shards["WARM"]}) == 2
    assert shards["A"] == shards["B"]
    assert sorted(loads(after, weight_of)) == [90, 500, 600]


@pytest.mark.parametrize(
    "weight_of",
    [
        {"A": 100, "B": 100, "C": 100, "D": 100},
        {"A": 100, "B": 120, "C": 110, "D": 90},
        {"A": 140, "B": 100, "C": 100, "D": 100},  # a fifth over its fair part
        {},
    ],
)
def test_what_is_even_enough_stays_the_very_same_map(weight_of: dict[str, int]) -> None:
    before = placed(A=0, B=0, C=1, D=1)
    assert rebalanced(before, weight_of, 8) is before


def test_move_that_gains_too_little_is_not_made() -> None:
    before = placed(A=0, B=0, C=1, D=2, E=3)
    # 130 against a fair 100: too heavy, but moving B makes the other shard 125.
    weight_of = {"A": 95, "B": 35, "C": 90, "D": 90, "E": 90}
    assert rebalanced(before, weight_of, 8) is before


def test_balance_moves_few_and_every_underlying_keeps_one_shard() -> None:
    names = [f"U{number:03}" for number in range(120)]
    before = ShardMap(version=7, shards=2, underlyings=dict.fromkeys(names, 0))
    after = rebalanced(before, dict.fromkeys(names, 10), 8)
    moved = [name for name in names if after.underlyings[name] != 0]
    assert len(moved) == MOVES_MAX
    assert (after.version, after.shards) == (8, 2)
    assert before.underlyings == dict.fromkeys(names, 0), "the map before is not touched"


@given(
    st.integers(1, 6).flatmap(
        lambda shards: st.tuples(
            st.just(shards),
            st.dictionaries(
                st.sampled_from([f"U{number}" for number in range(30)]),
                st.tuples(st.integers(0, shards - 1), st.integers(0, 1_000)),
                min_size=1,
            ),
        )
    )
)
def test_balancing_again_never_makes_it_worse_nor_loses_an_underlying(drawn) -> None:
    shards, underlyings = drawn
    before = ShardMap(
        version=7, shards=shards, underlyings={name: each[0] for name, each in underlyings.items()}
    )
    weight_of = {name: each[1] for name, each in underlyings.items()}
    after = rebalanced(before, weight_of, 8)
    assert after.underlyings.keys() == before.underlyings.keys()
    assert all(0 <= shard < shards for shard in after.underlyings.values())
    assert after == rebalanced(before, weight_of, 8)
    fair = sum(weight_of.values()) / shards
    hot = [name for name, weight in weight_of.items() if weight and weight >= UNEVEN_MIN * fair]
    for name in hot:
        others = [
            each
            for each, shard in after.underlyings.items()
            if shard == after.underlyings[name] and weight_of[each] and each != name
        ]
        assert others == []
    if not hot:
        assert max(loads(after, weight_of)) <= max(loads(before, weight_of))


@given(st.dictionaries(st.text("ABC", min_size=1, max_size=3), st.integers(1, 500)))
def test_new_underlyings_never_join_a_hot_one(fresh: dict[str, int]) -> None:
    weight_of = {"HOT": 10_000, "OLD": 10, **{f"N{name}": each for name, each in fresh.items()}}
    made = balanced(weight_of, 3, 8, {"HOT": 1, "OLD": 0})
    if sum(fresh.values()) < 10_000:
        assert [name for name, shard in made.underlyings.items() if shard == 1] == ["HOT"]


def test_instrument_is_on_the_one_shard_of_its_underlying_in_every_version() -> None:
    instruments = market()
    first = balanced({"NIFTY": 130, "INFY": 1}, 2, 1, {"NIFTY": 0, "INFY": 0})
    second = rebalanced(first, {"NIFTY": 130, "INFY": 1}, 2)
    assert second.underlyings != first.underlyings
    for shard_map in (first, second):
        rows = assign(instruments, shard_map)
        for name in (b"NIFTY", b"INFY"):
            shards = set(rows["shard"][rows["underlying"] == name].tolist())
            assert shards == {shard_map.shard_of(name.decode())}


def test_shards_are_balanced_and_the_same_for_the_same_weights() -> None:
    made = balanced({"A": 6, "B": 5, "C": 5, "D": 1}, 2, version=7)
    loads = [0, 0]
    for name, weight in {"A": 6, "B": 5, "C": 5, "D": 1}.items():
        loads[made.shard_of(name)] += weight
    assert sorted(loads) == [7, 10]
    assert made == balanced({"D": 1, "C": 5, "B": 5, "A": 6}, 2, version=7)


def test_an_underlying_and_everything_on_it_share_a_shard() -> None:
    instruments = market()
    weight_of = weights(instruments, instruments["instrument_token"])
    placed = assign(instruments, balanced(weight_of, 2, version=1))
    nifty = placed[placed["underlying"] == b"NIFTY"]
    assert len(np.unique(nifty["shard"])) == 1
    assert weight_of == {"INFY": 1, "NIFTY": 17}
