from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.moves import Holding, Step, step
from ingest.plan import Pool, Seat, Seating, plan

LIMIT, SOCKETS = 5, 2
A0, B0 = Seat("A", 0), Seat("B", 0)
TOKENS = st.lists(st.integers(1, 40), max_size=30, unique=True)
USABLE = st.lists(st.sampled_from("ABC"), unique=True, max_size=3)
STEPS_MAX = 60


def goal_of(wanted: list[int], usable: list[str], room: int, before: Seating) -> Seating:
    return plan(wanted, Pool(tuple(usable), sockets=SOCKETS, room=room), before).seating


def walked(start: Seating, goal: Seating) -> list[Step]:
    """Return the steps of sockets that do at once what they are asked to."""
    rank = {token: token for tokens in goal.values() for token in tokens}
    steps, asked = [], start
    for _ in range(STEPS_MAX):
        made = step(goal, Holding(asked, asked), rank, limit=LIMIT)
        steps.append(made)
        if made.seating == asked:
            break
        asked = made.seating
    return steps


def filled(seating: Seating) -> dict[Seat, frozenset[int]]:
    return {seat: tokens for seat, tokens in seating.items() if tokens}


def held(seating: Seating) -> set[int]:
    return set().union(*seating.values())


@pytest.mark.slow
@given(TOKENS, TOKENS, USABLE, USABLE, st.integers(0, 2), st.randoms(use_true_random=False))
def test_steps_reach_any_goal_and_never_exceed_the_limit(
    first: list[int], second: list[int], early: list[str], late: list[str], headroom: int, chance
) -> None:
    start = goal_of(first, early, LIMIT, {})
    chance.shuffle(second)
    goal = goal_of(second, late, LIMIT - headroom, {})
    steps = walked(start, goal)
    assert filled(steps[-1].seating) == goal
    assert all(len(tokens) <= LIMIT for each in steps for tokens in each.seating.values())


@given(TOKENS, TOKENS, USABLE, USABLE)
def test_inside_headroom_nothing_that_stays_wanted_is_ever_let_go(
    first: list[int], second: list[int], early: list[str], late: list[str]
) -> None:
    start = goal_of(first, early, LIMIT - 1, {})
    goal = goal_of(second, late, LIMIT - 1, {})
    for each in walked(start, goal):
        assert held(start) & held(goal) <= held(each.seating)
        assert not each.dropped


@pytest.mark.slow
@given(TOKENS, TOKENS, USABLE, USABLE)
def test_socket_is_asked_only_for_what_it_had_or_shall_have(
    first: list[int], second: list[int], early: list[str], late: list[str]
) -> None:
    start = goal_of(first, early, LIMIT - 1, {})
    goal = goal_of(second, late, LIMIT - 1, start)
    for each in walked(start, goal):
        for seat, tokens in each.seating.items():
            empty: frozenset[int] = frozenset()
            assert tokens <= start.get(seat, empty) | goal.get(seat, empty)


def test_added_token_touches_nothing_else() -> None:
    start = {A0: frozenset({1, 2})}
    (first, *_) = walked(start, {A0: frozenset({1, 2, 3})})
    assert first.seating == {A0: frozenset({1, 2, 3})}


def test_moving_token_is_subscribed_on_the_new_socket_first() -> None:
    start, goal = {A0: frozenset({1, 2})}, {A0: frozenset({1}), B0: frozenset({2})}
    first, second, *_ = walked(start, goal)
    assert first.seating == {A0: frozenset({1, 2}), B0: frozenset({2})}
    assert second.seating == goal


def test_moving_token_waits_for_a_socket_that_is_not_open_yet() -> None:
    goal = {A0: frozenset({1}), B0: frozenset({2})}
    asked = {A0: frozenset({1, 2}), B0: frozenset({2})}
    made = step(goal, Holding(asked, {A0: asked[A0]}), {1: 1, 2: 2}, limit=LIMIT)
    assert made == Step(asked, {})


def test_full_sockets_that_swap_tell_what_they_had_to_drop() -> None:
    ones, twos = frozenset(range(1, 6)), frozenset(range(11, 16))
    first, *_ = steps = walked({A0: ones, B0: twos}, {A0: twos, B0: ones})
    assert held(first.dropped)
    assert filled(steps[-1].seating) == {A0: twos, B0: ones}
