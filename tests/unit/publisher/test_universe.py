"""Instruments answer to all their names."""

import numpy as np

from publisher.fanout.universe import Universe, nothing_published
from tests.support.publisher_rows import CALL, INFY, NIFTY, PUT, instruments


def test_an_instrument_is_found_by_exchange_and_symbol() -> None:
    universe = Universe(instruments())
    assert universe.token_of("NFO:NIFTY26NOV24000CE") == CALL
    assert universe.token_of("NSE:NIFTY26NOV24000CE") is None
    assert universe.token_of("NIFTY26NOV24000CE") is None


def test_an_underlying_is_itself_with_all_that_is_listed_on_it() -> None:
    universe = Universe(instruments())
    assert sorted(universe.members_of("NIFTY").tolist()) == sorted([NIFTY, CALL, PUT])
    assert universe.members_of("INFY").tolist() == [INFY]
    assert universe.members_of("") is None


def test_symbols_are_found_by_token() -> None:
    tokens = np.array([PUT, 7, NIFTY], np.uint32)
    assert Universe(instruments()).symbols_of(tokens) == ["NIFTY26NOV24000PE", "", "NIFTY 50"]


def test_nothing_is_found_before_anything_is_published() -> None:
    universe = nothing_published()
    assert universe.token_of("NSE:INFY") is None
    assert universe.symbols_of(np.array([1], np.uint32)) == [""]
    assert not universe.knows(np.array([1], np.uint32)).any()
