"""What an order gets from a book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.matching import (
    Book,
    Fill,
    Rung,
    is_triggered,
    match,
    protected_limit,
    protection_percent,
)

BOOK = Book(
    bids=(Rung(995, 100), Rung(990, 200)),
    asks=(Rung(1005, 100), Rung(1010, 200)),
    last=1000,
    tick=5,
)


def test_match_buy_limit_at_the_ask_fills_at_the_ask() -> None:
    assert match("BUY", 60, 1005, BOOK) == (Fill(1005, 60),)


def test_match_buy_through_two_rungs_pays_each_rung_its_price() -> None:
    assert match("BUY", 150, 1020, BOOK) == (Fill(1005, 100), Fill(1010, 50))


def test_match_more_than_the_book_holds_fills_what_there_is() -> None:
    assert sum(fill.quantity for fill in match("SELL", 1000, 1, BOOK)) == 300


def test_match_limit_short_of_the_book_fills_nothing() -> None:
    assert match("BUY", 60, 1000, BOOK) == ()
    assert match("SELL", 60, 1000, BOOK) == ()


@given(st.sampled_from(["BUY", "SELL"]), st.integers(1, 2000), st.integers(900, 1100))
def test_match_never_trades_too_much_or_worse_than_the_limit(
    side, quantity: int, limit: int
) -> None:
    fills = match(side, quantity, limit, BOOK)
    assert sum(fill.quantity for fill in fills) <= quantity
    for fill in fills:
        assert fill.price <= limit if side == "BUY" else fill.price >= limit


@pytest.mark.parametrize(
    ("side", "trigger", "expected"),
    [("BUY", 1000, True), ("BUY", 1005, False), ("SELL", 1000, True), ("SELL", 995, False)],
)
def test_trigger_wakes_a_buy_from_below_and_a_sell_from_above(
    side, trigger: int, *, expected: bool
) -> None:
    assert is_triggered(side, trigger, 1000) is expected


@pytest.mark.parametrize(
    ("last", "option", "percent"),
    [
        (9_99, True, 5.0),
        (50_00, True, 3.0),
        (300_00, True, 2.0),
        (900_00, True, 1.0),
        (50_00, False, 2.0),
        (1500_00, False, 0.5),
    ],
)
def test_automatic_protection_narrows_as_prices_rise(
    last: int, option: bool, percent: float
) -> None:
    assert protection_percent(-1, last, option=option) == percent


def test_protection_asked_for_is_taken_as_it_is() -> None:
    assert protection_percent(7.5, 1000, option=True) == 7.5


def test_protected_limit_is_the_last_price_plus_its_band_on_a_tick() -> None:
    assert protected_limit("BUY", 2.0, BOOK) == 1020
    assert protected_limit("SELL", 1.9, BOOK) == 985
