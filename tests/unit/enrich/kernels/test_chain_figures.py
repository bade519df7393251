from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.kernels import chain, chain_figures
from enrich.kernels.chain_figures import (
    ATM_STRIKE,
    ATM_VOL,
    CALL_25_DELTA_VOL,
    CALL_GAMMA_EXPOSURE,
    CALL_OI,
    FIGURES,
    MAX_PAIN,
    PCR_OI,
    PCR_VOLUME,
    PUT_25_DELTA_VOL,
    PUT_GAMMA_EXPOSURE,
    STRADDLE,
)

STRIKES = np.array([90.0, 95.0, 100.0, 105.0, 110.0])


def figures(numbers: np.ndarray, codes: np.ndarray, forward: float, strikes=STRIKES) -> np.ndarray:
    out, vols = np.zeros(FIGURES), np.zeros(len(strikes))
    chain_figures.figures(strikes, numbers, codes, forward, vols, out)
    return out


def blank(size: int = 5) -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, chain.NUMBERS, size), np.nan), np.full(
        (2, chain.CODES, size), chain.UNKNOWN, np.int64
    )


def test_chain_that_knows_nothing_says_nothing() -> None:
    assert np.isnan(figures(*blank(), forward=100.0)).all()
    assert np.isnan(figures(*blank(), forward=math.nan)).all()


def test_volatility_at_the_money_lies_between_the_two_strikes_out_of_the_money() -> None:
    numbers, codes = blank()
    numbers[0, chain.IMPLIED_VOL] = [9.0, 9.0, 9.0, 0.20, 0.22]
    numbers[1, chain.IMPLIED_VOL] = [0.24, 0.22, 0.21, 9.0, 9.0]
    vol = figures(numbers, codes, 102.0)[ATM_VOL]
    left, right = math.log(100 / 102), math.log(105 / 102)
    weight = -left / (right - left)
    assert vol == pytest.approx(math.sqrt((1 - weight) * 0.21**2 + weight * 0.20**2))
    assert math.isnan(figures(numbers, codes, 120.0)[ATM_VOL])


def test_volatility_on_a_strike_is_that_strikes_own() -> None:
    numbers, codes = blank()
    numbers[0, chain.IMPLIED_VOL], numbers[1, chain.IMPLIED_VOL] = 0.2, 0.3
    assert figures(numbers, codes, 100.0)[ATM_VOL] == pytest.approx(0.2)


def test_volatilities_at_25_delta_are_read_between_strikes_from_the_money_outwards() -> None:
    numbers, codes = blank()
    numbers[0, chain.DELTA] = [0.9, 0.7, 0.5, 0.3, 0.1]
    numbers[0, chain.IMPLIED_VOL] = [9.0, 9.0, 0.2, 0.22, 0.30]
    numbers[1, chain.DELTA] = [-0.1, -0.3, -0.5, -0.7, -0.9]
    numbers[1, chain.IMPLIED_VOL] = [0.40, 0.30, 9.0, 9.0, 9.0]
    found = figures(numbers, codes, 99.0)
    assert found[CALL_25_DELTA_VOL] == pytest.approx(0.24)
    assert found[PUT_25_DELTA_VOL] == pytest.approx(0.325)
    numbers[1, chain.DELTA] = [-0.26, -0.3, -0.5, -0.7, -0.9]
    assert math.isnan(figures(numbers, codes, 99.0)[PUT_25_DELTA_VOL])


def test_straddle_is_of_the_nearest_strike_that_has_both_prices() -> None:
    numbers, codes = blank()
    numbers[0, chain.PRICE] = [12.0, 8.0, np.nan, 3.0, 1.0]
    numbers[1, chain.PRICE] = [1.0, 2.0, 4.0, 7.0, 11.0]
    found = figures(numbers, codes, 101.0)
    assert (found[ATM_STRIKE], found[STRADDLE]) == (105.0, 10.0)


def test_ratios_exposure_and_totals_come_from_what_is_known() -> None:
    numbers, codes = blank()
    codes[0, chain.OI], codes[1, chain.OI] = [10, 20, 30, 40, chain.UNKNOWN], [5, 5, 5, 5, 5]
    codes[0, chain.VOLUME], codes[1, chain.VOLUME] = 0, 7
    numbers[0, chain.GAMMA], numbers[1, chain.GAMMA] = 0.01, np.nan
    found = figures(numbers, codes, 100.0)
    assert (found[CALL_OI], found[PCR_OI]) == (100.0, 0.25)
    assert math.isnan(found[PCR_VOLUME])
    assert found[CALL_GAMMA_EXPOSURE] == pytest.approx(0.01 * 100 * 100.0**2 / 100)
    assert math.isnan(found[PUT_GAMMA_EXPOSURE])


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_max_pain_is_the_strike_of_the_least_pay_out(interest) -> None:
    strikes = np.cumsum(1.0 + np.arange(len(interest)) % 3)
    numbers, codes = blank(len(interest))
    codes[0, chain.OI] = [calls for calls, _ in interest]
    codes[1, chain.OI] = [puts for _, puts in interest]
    found = figures(numbers, codes, 5.0, strikes)[MAX_PAIN]
    pay_out = {
        settled: sum(
            calls * max(0.0, settled - strike) + puts * max(0.0, strike - settled)
            for strike, (calls, puts) in zip(strikes, interest, strict=True)
        )
        for settled in strikes
    }
    if not any(calls + puts for calls, puts in interest):
        assert math.isnan(found)
    else:
        assert pay_out[found] == pytest.approx(min(pay_out.values()))
