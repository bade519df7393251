from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.plan import Plan, Pool, Seat, Seating, change, plan

ROOM, SOCKETS = 4, 2
ACCOUNTS = ("A", "B", "C")
TOKENS = st.lists(st.integers(1, 40), max_size=50)
USABLE = st.lists(st.sampled_from(ACCOUNTS), unique=True, max_size=3)


def pool_of(usable: list[str], *, room: int = ROOM) -> Pool:
    waiting = tuple(name for name in ACCOUNTS if name not in usable)
    return Pool(tuple(sorted(usable)), waiting, sockets=SOCKETS, room=room)


def placed(made: Plan) -> list[int]:
    return [token for tokens in made.seating.values() for token in tokens]


def seats(seating: Seating) -> dict[int, Seat]:
    return {token: seat for seat, tokens in seating.items() for token in tokens}


@given(TOKENS, TOKENS, USABLE, USABLE)
def test_plan_never_exceeds_a_limit_nor_holds_a_token_twice(
    first: list[int], second: list[int], early: list[str], late: list[str]
) -> None:
    before = plan(first, pool_of(early)).seating
    made = plan(second, pool_of(late), before, seats(before))
    assert all(len(tokens) <= ROOM for tokens in made.seating.values())
    assert all(seat.socket < SOCKETS for seat in made.seating)
    assert len(placed(made)) == len(set(placed(made)))
    assert set(placed(made)) | set(made.left_out) == set(second)
    assert not set(placed(made)) & set(made.left_out)


@given(TOKENS, USABLE)
def test_plan_fills_the_room_with_the_most_important(wanted: list[int], usable: list[str]) -> None:
    unique = list(dict.fromkeys(wanted))
    capacity = len(usable) * SOCKETS * ROOM
    made = plan(wanted, pool_of(usable))
    assert set(placed(made)) == set(unique[:capacity])
    assert list(made.left_out) == unique[capacity:]


@given(TOKENS, TOKENS, USABLE)
def test_plan_moves_no_token_whose_socket_is_still_there(
    first: list[int], second: list[int], usable: list[str]
) -> None:
    pool = pool_of(usable)
    before = plan(first, pool).seating
    made = plan(second, pool, before)
    after = seats(made.seating)
    for token, seat in seats(before).items():
        assert after.get(token, seat) == seat


@given(TOKENS, USABLE)
def test_plan_again_is_the_same_plan(wanted: list[int], usable: list[str]) -> None:
    pool = pool_of(usable)
    made = plan(wanted, pool)
    assert plan(wanted, pool, made.seating) == made


@given(TOKENS, USABLE)
def test_plan_is_balanced_on_as_few_sockets_as_hold_it(
    wanted: list[int], usable: list[str]
) -> None:
    made = plan(wanted, pool_of(usable))
    counts = [len(tokens) for tokens in made.seating.values()]
    assert len(counts) == -(-len(placed(made)) // ROOM)
    assert not counts or max(counts) - min(counts) <= 1


@given(TOKENS, st.sampled_from(ACCOUNTS))
def test_failed_account_disturbs_only_its_own_tokens_while_there_is_room(
    wanted: list[int], failed: str
) -> None:
    wanted = wanted[:16]  # two accounts of two sockets hold these
    before = plan(wanted, pool_of(list(ACCOUNTS))).seating
    others = [name for name in ACCOUNTS if name != failed]
    made = plan(wanted, pool_of(others), before)
    assert not made.left_out
    moved = {t for t, seat in seats(before).items() if seats(made.seating)[t] != seat}
    assert moved == {t for t, seat in seats(before).items() if seat.account == failed}


@given(TOKENS, st.sampled_from(ACCOUNTS))
def test_taken_over_tokens_are_given_back(wanted: list[int], failed: str) -> None:
    wanted = wanted[:16]
    before = plan(wanted, pool_of(list(ACCOUNTS))).seating
    homes = {t: seat for t, seat in seats(before).items() if seat.account == failed}
    others = [name for name in ACCOUNTS if name != failed]
    without = plan(wanted, pool_of(others), before, homes)
    again = plan(wanted, pool_of(list(ACCOUNTS)), without.seating, homes)
    assert seats(again.seating) == seats(before)


def test_important_tokens_of_a_failed_account_push_the_least_important_out() -> None:
    before = {Seat("A", 0): frozenset({1, 2}), Seat("B", 0): frozenset({3, 4})}
    made = plan([1, 2, 3, 4], Pool(("B",), (), sockets=1, room=2), before)
    assert made == Plan({Seat("B", 0): frozenset({1, 2})}, (3, 4))


def test_what_nobody_has_room_for_waits_on_the_failed_account() -> None:
    before = {Seat("A", 0): frozenset({1, 2})}
    made = plan([1, 2], Pool((), ("A",)), before)
    assert made == Plan(before)


def test_plan_leaves_out_the_least_important() -> None:
    assert plan([5, 4, 3, 2, 1], Pool(("A",), sockets=1, room=3)).left_out == (2, 1)


def test_plan_opens_a_second_socket_only_when_the_first_is_full() -> None:
    pool = Pool(("A",), sockets=3, room=8)
    assert [len(t) for t in plan(range(1, 9), pool).seating.values()] == [8]
    assert [len(t) for t in plan(range(1, 10), pool).seating.values()] == [5, 4]


def test_plan_opens_the_sockets_of_all_accounts_in_turn() -> None:
    made = plan(range(1, 9), Pool(("A", "B"), sockets=3, room=4))
    assert set(made.seating) == {("A", 0), ("B", 0)}


def test_full_universe_of_five_accounts_fits_to_the_last_instrument() -> None:
    made = plan(range(1, 45_002), Pool(tuple("ABCDE")))
    assert (len(placed(made)), made.left_out) == (45_000, (45_001,))


@given(st.frozensets(st.integers(1, 30)), st.frozensets(st.integers(1, 30)))
def test_change_applied_to_what_is_held_gives_what_is_wanted(
    wanted: frozenset[int], held: frozenset[int]
) -> None:
    made = change(wanted, held)
    assert (held | set(made.subscribe)) - set(made.unsubscribe) == wanted
    assert not set(made.subscribe) & held
