from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from enrich.balance import GAP_MIN, WEIGHT_MIN, to_give, total

weights = st.dictionaries(st.integers(0, 20), st.floats(0, 1e7), max_size=12)


def test_idle_newcomer_gets_the_shard_that_halves_the_load_best() -> None:
    mine = {0: 600_000.0, 1: 500_000.0, 2: 100_000.0}
    assert to_give(mine, [0.0]) == 0


def test_nothing_moves_between_loads_that_are_nearly_even() -> None:
    assert to_give({0: 500_000.0, 1: 10_000.0}, [495_000.0]) is None


def test_shard_too_hot_to_move_stays_and_a_small_one_goes() -> None:
    assert to_give({0: 900_000.0, 1: 200_000.0, 2: 100_000.0}, [400_000.0]) == 1


def test_last_shard_is_never_given() -> None:
    assert to_give({4: 9_000_000.0}, [0.0]) is None


def test_idle_shards_are_shared_by_their_number() -> None:
    assert to_give({0: 0.0, 1: 0.0, 2: 0.0}, [0.0]) == 0
    assert to_give({0: 0.0, 1: 0.0}, [WEIGHT_MIN]) is None


def test_nobody_with_room_means_nothing_to_give() -> None:
    assert to_give({0: 1.0, 1: 2.0}, []) is None


def test_everything_but_the_hot_shard_goes() -> None:
    assert to_give({0: 900_000.0, 1: 0.0, 2: 0.0}, [0.0]) == 1


@given(weights, st.lists(st.floats(0, 1e8), max_size=4))
def test_taker_never_becomes_heavier_than_the_giver(mine, others) -> None:
    shard = to_give(mine, others)
    if shard is not None:
        moved = mine[shard] + WEIGHT_MIN
        assert min(others) + moved <= total(mine) - moved
        assert total(mine) - min(others) >= GAP_MIN * total(mine)
