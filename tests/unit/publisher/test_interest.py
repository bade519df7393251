"""Bits say who wants what."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.fanout import interest
from publisher.fanout.interest import Interest

SUBSCRIBERS = 130


def slots(*places: int) -> np.ndarray:
    return np.array(places, np.int64)


@pytest.mark.slow
@given(st.sets(st.tuples(st.integers(0, SUBSCRIBERS - 1), st.integers(0, 49))), st.data())
def test_bits_agree_with_a_set_of_pairs(pairs: set, data: st.DataObject) -> None:
    table = Interest(SUBSCRIBERS)
    table.make_room(50)
    for subscriber, slot in pairs:
        table.add(subscriber, slots(slot))
    gone = data.draw(st.sets(st.sampled_from(sorted(pairs)))) if pairs else set()
    for subscriber, slot in gone:
        table.remove(subscriber, slots(slot))
    left = pairs - gone
    asked = data.draw(st.lists(st.integers(0, 49), max_size=10))
    assert interest.members(table.of(slots(*asked))) == sorted(
        {s for s, slot in left if slot in asked}
    )
    concerned, pairs, _ = table.concern(slots(*asked), table.nobody())
    assert concerned.tolist() == table.of(slots(*asked)).tolist()
    assert pairs == sum(slot == each for _, slot in left for each in asked)
    assert set(table.unwanted(slots(*range(50))).tolist()) == set(range(50)) - {s for _, s in left}


def test_a_bit_is_cleared_alone() -> None:
    table = Interest(SUBSCRIBERS)
    table.make_room(1)
    table.add(3, slots(0))
    table.add(129, slots(0))
    words = table.of(slots(0))
    interest.clear(words, 129)
    assert interest.members(words) == [3]
