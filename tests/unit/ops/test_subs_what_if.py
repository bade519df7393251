from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ops.subs_what_if import what_if
from shared.wire.subscriptions import Subscriptions


def layout(ranking: list[int], priorities: list[tuple[int, int]], capacity: int) -> Subscriptions:
    return Subscriptions(
        by="host-1",
        at_us=1,
        accounts=[],
        sockets=[],
        wanted=len(ranking),
        capacity=capacity,
        headroom_per_socket=0,
        ranking=array("I", ranking).tobytes(),
        priorities=priorities,
    )


def test_new_want_is_placed_while_there_is_room() -> None:
    found = what_if(layout([1, 2], [(50, 2)], 4), [7, 8, 9], 50)
    assert (found.placed, found.left_out, found.pushed_out) == ((7, 8), (9,), ())


def test_more_important_want_pushes_the_least_important_out() -> None:
    found = what_if(layout([1, 2, 3], [(80, 1), (50, 2)], 3), [7], 60)
    assert (found.placed, found.left_out, found.pushed_out) == ((7,), (), (3,))


def test_want_of_equal_priority_goes_behind_those_there_are() -> None:
    found = what_if(layout([1, 2, 3], [(50, 3)], 3), [7], 50)
    assert (found.placed, found.left_out, found.pushed_out) == ((), (7,), ())


def test_what_is_wanted_already_takes_no_second_place() -> None:
    found = what_if(layout([1, 2, 3], [(50, 3)], 3), [2], 50)
    assert (found.placed, found.left_out, found.wanted_already) == ((), (), (2,))


def test_what_had_no_room_gets_it_by_a_higher_priority() -> None:
    found = what_if(layout([1, 2, 3], [(50, 3)], 2), [3], 90)
    assert (found.left_out, found.pushed_out, found.wanted_already) == ((), (2,), (3,))


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from([10, 50, 90])), unique_by=lambda w: w[0]
    ),
    st.lists(st.integers(0, 40), unique=True, max_size=8),
    st.sampled_from([0, 10, 50, 60, 100]),
    st.integers(0, 30),
)
def test_never_more_than_fit_and_nobody_is_both_in_and_out(
    wants, added, priority, capacity
) -> None:
    wants = sorted(wants, key=lambda each: -each[1])
    runs = [
        (each, sum(p == each for _, p in wants))
        for each in sorted({p for _, p in wants}, reverse=True)
    ]
    ranking = [token for token, _ in wants]
    found = what_if(layout(ranking, runs, capacity), added, priority)
    kept = set(ranking[:capacity]) - set(found.pushed_out)
    assert len(kept | set(found.placed)) <= capacity
    assert not set(found.placed) & set(found.left_out)
    assert set(added) == set(found.placed) | set(found.left_out) | (set(added) & set(ranking))
