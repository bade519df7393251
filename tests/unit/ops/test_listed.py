"""Finding instruments among the published ones."""

from __future__ import annotations

import pytest

from shared.ops.listed import Names, Wanted, choose_expiry, options_of, select
from shared.ops.outcome import NotFound
from shared.wire.instruments import Kind
from tests.support.option_chain import FAR, INFY, NEAR, NIFTY, STRIKES, market, option_token


def test_nothing_named_selects_everything() -> None:
    assert len(select(market(), Wanted())) == len(market())


@pytest.mark.parametrize("symbol", ["INFY", "infy", "NSE:INFY"])
def test_symbol_is_found_with_and_without_its_exchange(symbol: str) -> None:
    found = select(market(), Wanted(symbols=(symbol,)))
    assert found["instrument_token"].tolist() == [INFY]


def test_what_is_named_adds_up() -> None:
    found = select(market(), Wanted(tokens=(NIFTY,), symbols=("INFY",)))
    assert found["instrument_token"].tolist() == [NIFTY, INFY]


def test_underlying_selects_all_that_hangs_on_it() -> None:
    found = select(market(), Wanted(underlyings=("nifty",)))
    assert len(found) == 1 + 2 * 2 * len(STRIKES)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(tokens=(1,)),
        Wanted(tokens=(2**40,)),
        Wanted(symbols=("BSE:INFY",)),
        Wanted(underlyings=("X",)),
    ],
)
def test_what_is_not_listed_is_not_found(wanted: Wanted) -> None:
    with pytest.raises(NotFound, match="is not among the published instruments"):
        select(market(), wanted)


def test_options_of_an_unknown_underlying_name_those_there_are() -> None:
    with pytest.raises(NotFound, match="no options of INFY are published; there are NIFTY"):
        options_of(market(), "INFY")


def test_expiry_is_the_first_not_past() -> None:
    options = options_of(market(), "NIFTY")
    assert choose_expiry(options, None, NEAR) == NEAR
    assert choose_expiry(options, None, NEAR + 1) == FAR
    assert choose_expiry(options, FAR, NEAR) == FAR


def test_expiry_that_is_not_listed_names_those_there_are() -> None:
    options = options_of(market(), "NIFTY")
    with pytest.raises(NotFound, match="no expiry on 2026-12-31; there are 2026-11-26, 2026-12-03"):
        choose_expiry(options, 20261231, NEAR)
    with pytest.raises(NotFound, match="the last on 2026-12-03"):
        choose_expiry(options, None, FAR + 1)


def test_names_know_listed_tokens_only() -> None:
    names = Names(market())
    assert names.of(option_token(24000.0, Kind.CALL)) == "NIFTY26112624000CE"
    assert names.of(1) == names.of(2**32 - 1) == ""
