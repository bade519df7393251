from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bands import WIDEN_STEPS, Bands, bounds, calls_of
from ingest.following import Reluctance
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind

EXPIRY = 20260818
STRIKES = np.arange(24_000.0, 25_050.0, 50.0)


def calls(strikes: np.ndarray, money: float = 24_500.0, width: float = 200.0) -> np.ndarray:
    """Return deltas of calls as a market gives them: falling with the strike."""
    return 1.0 / (1.0 + np.exp((strikes - money) / width))


def chain(strikes: np.ndarray = STRIKES) -> np.ndarray:
    rows = np.zeros(2 * len(strikes), INSTRUMENT_DTYPE)
    rows["strike"], rows["expiry"] = np.repeat(strikes, 2), EXPIRY
    rows["kind"] = [Kind.CALL, Kind.PUT] * len(strikes)
    rows["instrument_token"] = (rows["strike"] * 2 + rows["kind"]).astype(np.uint32)
    return rows


def deltas(rows: np.ndarray, money: float = 24_500.0) -> dict[int, float]:
    worth = calls(rows["strike"], money) - (rows["kind"] == Kind.PUT)
    return dict(zip(rows["instrument_token"].tolist(), worth.tolist(), strict=True))


def test_bounds_are_where_the_deltas_pass_the_least_on_either_side() -> None:
    low, high = bounds(STRIKES, calls(STRIKES), 0.1)
    assert calls(np.array([low, high])) == pytest.approx([0.9, 0.1], abs=0.005)


def test_bound_beyond_what_is_held_is_looked_for_further_out() -> None:
    held = STRIKES[(STRIKES >= 24_300.0) & (STRIKES <= 24_600.0)]
    low, high = bounds(held, calls(held), 0.1)
    assert (low, high) == (24_300.0 - WIDEN_STEPS * 50.0, 24_600.0 + WIDEN_STEPS * 50.0)


def test_chain_that_is_unknown_or_all_far_from_the_money_tells_nothing() -> None:
    assert bounds(STRIKES[:2], calls(STRIKES[:2]), 0.1) is None
    assert bounds(STRIKES, np.full(len(STRIKES), 0.01), 0.1) is None


@given(st.floats(0.02, 0.45), st.floats(24_200.0, 24_800.0))
def test_held_between_the_bounds_is_exactly_what_is_worth_the_least(least, money) -> None:
    wide = np.arange(20_000.0, 29_000.0, 50.0)
    low, high = bounds(wide, calls(wide, money), least)
    inside = (wide >= low) & (wide <= high)
    worth = calls(wide, money)
    assert (worth[inside] >= least - 0.01).all()
    assert (worth[inside] <= 1.01 - least).all()
    assert (np.minimum(worth, 1 - worth)[~inside] <= least + 0.01).all()


def test_puts_tell_the_same_strikes_as_calls() -> None:
    rows = chain()
    puts = rows[rows["kind"] == Kind.PUT]
    strikes, found = calls_of(puts, deltas(rows))
    assert strikes.tolist() == STRIKES.tolist()
    assert found == pytest.approx(calls(STRIKES))


def test_band_follows_only_a_move_of_so_many_steps_after_it_dwelt() -> None:
    wide = chain(np.arange(23_000.0, 26_050.0, 50.0))
    bands, rows = Bands(Reluctance(steps=2.0, dwell_s=10.0)), wide
    assert bands.follow("NIFTY", rows, deltas(rows), 0.1, 0.0)
    first = bands.strikes["NIFTY", EXPIRY]
    assert not bands.follow("NIFTY", rows, deltas(rows, 24_590.0), 0.1, 20.0)
    assert not bands.follow("NIFTY", rows, deltas(rows, 24_700.0), 0.1, 9.0)
    assert bands.follow("NIFTY", rows, deltas(rows, 24_700.0), 0.1, 20.0)
    assert bands.strikes["NIFTY", EXPIRY][0] > first[0]


def test_expiry_without_deltas_keeps_its_band_and_one_that_is_over_loses_it() -> None:
    bands, rows = Bands(Reluctance(2.0, 10.0)), chain()
    bands.follow("NIFTY", rows, deltas(rows), 0.1, 0.0)
    assert not bands.follow("NIFTY", rows, {}, 0.1, 60.0)
    assert bands.follow("NIFTY", rows[:0], {}, 0.1, 60.0)
    assert bands.strikes == {}
