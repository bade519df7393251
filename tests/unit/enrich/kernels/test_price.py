from __future__ import annotations

import numpy as np
import pytest

from enrich.kernels import price
from enrich.kernels.price import SOURCE_LAST, SOURCE_MID, SOURCE_NONE
from enrich.kernels.state import PARAMETERS
from enrich.kernels.status import FLAG_PRICE_STALE, FLAG_WIDE_SPREAD
from shared.wire.ticks import TICK_DTYPE, Flag, PriceSource

TICK = 0.05


def parameters(*, prefer_mid: bool = True) -> np.void:
    row = np.zeros(1, PARAMETERS)
    row["prefer_mid"] = prefer_mid
    row["spread_floor"], row["spread_ratio_max"] = 0.10, 0.25
    row["last_trade_age_max_s"] = 30
    return row[0]


def choose(
    bid: float, ask: float, last: float, age_s: int = 0, *, prefer_mid: bool = True
) -> tuple[float, int, int]:
    return price.choose_price(bid, ask, last, age_s, TICK, parameters(prefer_mid=prefer_mid))


def book(bid: float, ask: float, bid_quantity: int = 30, ask_quantity: int = 10) -> np.void:
    record = np.zeros(1, TICK_DTYPE)
    record["bid_price"][0, 0], record["ask_price"][0, 0] = bid, ask
    record["bid_quantity"][0, 0], record["ask_quantity"][0, 0] = bid_quantity, ask_quantity
    price.book_figures(record[0])
    return record[0]


@pytest.mark.parametrize(
    ("bid", "ask", "sane"),
    [
        (100.0, 100.05, True),
        (100.0, 100.0, False),
        (100.0, 99.0, False),
        (0.0, 1.0, False),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (0.05, 0.15, True),
        (0.05, 0.20, False),
        (7.0, 9.0, True),
        (6.9, 9.0, False),
    ],
)
def test_book_is_sane_when_two_sided_uncrossed_and_narrow(bid, ask, sane) -> None:
    assert price.is_sane(bid, ask, 0.1000001, 0.25) is sane


def test_middle_of_a_sane_book_comes_before_the_last_trade() -> None:
    assert choose(99.0, 101.0, 90.0, 9_999) == (100.0, SOURCE_MID, 0)


def test_middle_serves_when_there_was_no_trade_even_if_the_last_is_preferred() -> None:
    assert choose(99.0, 101.0, 0.0, prefer_mid=False) == (100.0, SOURCE_MID, 0)


def test_last_trade_inside_the_book_is_taken_when_preferred() -> None:
    assert choose(99.0, 101.0, 101.05, prefer_mid=False) == (101.05, SOURCE_LAST, 0)


def test_last_trade_more_than_a_tick_outside_the_book_is_stale() -> None:
    assert choose(99.0, 101.0, 101.2, prefer_mid=False)[2] == FLAG_PRICE_STALE
    assert choose(99.0, 101.0, 98.8, prefer_mid=False)[2] == FLAG_PRICE_STALE


def test_old_trade_is_used_yet_flagged() -> None:
    assert choose(0.0, 0.0, 50.0, 30) == (50.0, SOURCE_LAST, 0)
    assert choose(0.0, 0.0, 50.0, 31) == (50.0, SOURCE_LAST, FLAG_PRICE_STALE)


def test_wide_book_is_flagged_and_leaves_the_last_trade() -> None:
    assert choose(5.0, 10.0, 7.0) == (7.0, SOURCE_LAST, FLAG_WIDE_SPREAD)


def test_neither_book_nor_trade_is_no_price() -> None:
    assert choose(0.0, 3.0, 0.0) == (0.0, SOURCE_NONE, 0)
    assert choose(np.nan, np.nan, np.nan) == (0.0, SOURCE_NONE, 0)


def test_micro_price_leans_to_the_side_with_less_quantity() -> None:
    figures = book(100.0, 101.0, bid_quantity=30, ask_quantity=10)
    assert (figures["mid_price"], figures["spread"]) == (100.5, 1.0)
    assert figures["micro_price"] == 100.75
    assert figures["imbalance"] == 0.5


def test_one_sided_book_has_an_imbalance_only() -> None:
    figures = book(100.0, np.nan, bid_quantity=30, ask_quantity=0)
    assert np.isnan([figures["mid_price"], figures["micro_price"], figures["spread"]]).all()
    assert figures["imbalance"] == 1.0


def test_book_without_quantities_has_neither_micro_price_nor_imbalance() -> None:
    figures = book(100.0, 101.0, bid_quantity=0, ask_quantity=0)
    assert figures["mid_price"] == 100.5
    assert np.isnan([figures["micro_price"], figures["imbalance"]]).all()


def test_codes_are_those_of_the_wire() -> None:
    assert tuple(PriceSource) == (SOURCE_NONE, SOURCE_MID, SOURCE_LAST)
    assert (FLAG_PRICE_STALE, FLAG_WIDE_SPREAD) == (Flag.PRICE_STALE, Flag.WIDE_SPREAD)
