"""Wishes for misbehaviour are read, counted, filtered."""

import pytest

from deploy.sandbox.faults import KINDS, FaultBoard, Occasion
from shared.errors import SettingsError

PLACING = Occasion("SB0001", "POST", "/orders/regular")
READING = Occasion("SB0001", "GET", "/orders")


def test_fault_applies_as_often_as_asked_then_is_gone() -> None:
    board = FaultBoard()
    board.add({"kind": "http_429", "count": 2})
    assert [board.take("http_429", READING) is not None for _ in range(3)] == [True, True, False]
    assert board.public() == []


def test_fault_without_end_applies_until_it_is_removed() -> None:
    board = FaultBoard()
    fault = board.add({"kind": "slow", "count": None, "seconds": 1})
    assert all(board.take("slow", READING) for _ in range(10))
    assert board.remove(fault.number) == 1
    assert board.take("slow", READING) is None


def test_fault_after_acceptance_strikes_placements_only_unless_told_otherwise() -> None:
    board = FaultBoard()
    board.add({"kind": "accept_then_drop"})
    assert board.take("accept_then_drop", READING) is None
    assert board.take("accept_then_drop", PLACING) is not None


def test_fault_for_one_account_leaves_another_alone() -> None:
    board = FaultBoard()
    board.add({"kind": "http_5xx", "account": "SB0002"})
    assert board.take("http_5xx", READING) is None


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"kind": "nonsense"},
        {"kind": "slow", "count": 0},
        {"kind": "slow", "secnds": 1},
        {"kind": "slow", "seconds": "x"},
    ],
)
def test_fault_that_does_not_read_is_refused_with_a_sentence(wish: dict) -> None:
    with pytest.raises(SettingsError):
        FaultBoard().add(wish)


def test_sticky_fault_catches_as_many_connections_as_asked_and_holds_them() -> None:
    board = FaultBoard()
    board.add({"kind": "ws_silence", "count": 1})
    assert board.catch(1, "SB0001") is not None
    assert board.catch(2, "SB0001") is None
    assert board.catch(1, "SB0001") is not None
    board.remove()
    assert board.catch(1, "SB0001") is None


def test_every_kind_of_fault_can_be_put_on_the_board() -> None:
    board = FaultBoard()
    for kind in KINDS:
        board.add({"kind": kind})
    assert len(board.public()) == len(KINDS)


def test_fault_put_off_strikes_once_its_time_has_come() -> None:
    now = [10.0]
    board = FaultBoard(lambda: now[0])
    board.add({"kind": "ws_abort", "after_s": 2})
    board.add({"kind": "ws_silence", "after_s": 2})
    assert board.take("ws_abort", Occasion()) is None
    assert board.catch(1, "SB0001") is None
    now[0] = 12.0
    assert board.take("ws_abort", Occasion())
    assert board.catch(1, "SB0001")


def test_fault_for_one_connection_leaves_the_others_of_its_account_alone() -> None:
    board = FaultBoard()
    board.add({"kind": "ws_abort", "connection": 2})
    board.add({"kind": "ws_silence", "connection": 2})
    assert board.take("ws_abort", Occasion(connection=1)) is None
    assert board.catch(1, "SB0001") is None
    assert board.take("ws_abort", Occasion(connection=2))
    assert board.catch(2, "SB0001")
