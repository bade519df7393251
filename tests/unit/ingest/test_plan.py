from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.plan import change, plan

TOKENS = st.lists(st.integers(1, 60), max_size=80)
HELD = st.lists(st.frozensets(st.integers(1, 60), max_size=8), max_size=3)


@given(TOKENS, HELD)
def test_plan_never_exceeds_a_limit_nor_holds_a_token_twice(
    wanted: list[int], held: list[frozenset[int]]
) -> None:
    made = plan(wanted, held, sockets_max=3, room=8)
    assert len(made.sockets) <= 3
    assert all(len(tokens) <= 8 for tokens in made.sockets)
    together = [token for tokens in made.sockets for token in tokens]
    assert len(together) == len(set(together))
    assert set(together) | set(made.left_out) == set(wanted)


@given(TOKENS, HELD)
def test_plan_moves_no_token_that_is_held_and_still_wanted(
    wanted: list[int], held: list[frozenset[int]]
) -> None:
    made = plan(wanted, held, sockets_max=3, room=8)
    seen: set[int] = set()
    for before, after in zip(held, made.sockets, strict=False):
        kept = (before & set(wanted)) - set(made.left_out) - seen
        assert kept <= after
        seen |= before


@given(st.frozensets(st.integers(1, 30)), st.frozensets(st.integers(1, 30)))
def test_change_applied_to_what_is_held_gives_what_is_wanted(
    wanted: frozenset[int], held: frozenset[int]
) -> None:
    made = change(wanted, held)
    assert (held | set(made.subscribe)) - set(made.unsubscribe) == wanted
    assert not set(made.subscribe) & held


def test_plan_leaves_out_the_least_important() -> None:
    assert plan([5, 4, 3, 2, 1], sockets_max=1, room=3).left_out == (2, 1)


def test_plan_opens_a_second_socket_only_when_the_first_is_full() -> None:
    assert [len(t) for t in plan(range(1, 9), sockets_max=3, room=8).sockets] == [8]
    assert [len(t) for t in plan(range(1, 10), sockets_max=3, room=8).sockets] == [8, 1]
