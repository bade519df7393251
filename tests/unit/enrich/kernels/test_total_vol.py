import math

import numpy as np
import pytest

from enrich.kernels.total_vol import householder_step, solve_total_vol


def headroom_of(moneyness: float, total_vol: float) -> float:
    """exp(-k/2) - b in the form that does not cancel."""
    d1 = -moneyness / total_vol + total_vol / 2
    d2 = d1 - total_vol
    root = math.sqrt(2)
    above = math.exp(-moneyness / 2) * 0.5 * math.erfc(d1 / root)
    return above + math.exp(moneyness / 2) * 0.5 * math.erfc(-d2 / root)


@pytest.mark.parametrize(
    ("moneyness", "total_vol"),
    [
        (moneyness, total_vol)
        for moneyness in (0.0, 1e-9, 0.01, 0.5, 2.0, 6.0)
        for total_vol in (0.05, 0.4, 1.51, 3.0, 6.0, 12.0)
        if moneyness / total_vol < 35  # further out the price is zero in doubles
    ],
)
def test_total_vol_of_a_price_is_the_one_that_made_it(
    moneyness: float, total_vol: float, price_black
) -> None:
    ratio = math.exp(moneyness / 2)
    beta = price_black(1 / ratio, ratio, total_vol, 1.0)
    solved, converged = solve_total_vol(moneyness, beta, headroom_of(moneyness, total_vol))
    assert converged
    assert solved == pytest.approx(total_vol, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("beta", [1e-3, 1e-30, 1e-150, 1e-300])
def test_total_vol_of_a_tiny_value_reprices_in_logarithms(beta: float, price_black) -> None:
    solved, converged = solve_total_vol(0.05, beta, math.exp(-0.025) - beta)
    again = price_black(math.exp(-0.025), math.exp(0.025), solved, 1.0)
    assert converged
    assert math.log(again) == pytest.approx(math.log(beta), rel=1e-9, abs=0.0)


def test_total_vol_at_the_money_without_a_guess_is_the_linear_one() -> None:
    solved, converged = solve_total_vol(np.float64(0.0), 1e-200, 1.0)
    assert converged
    assert solved == pytest.approx(1e-200 * math.sqrt(2 * math.pi), rel=2e-13, abs=0.0)


def test_total_vol_of_what_is_no_number_says_so() -> None:
    assert not solve_total_vol(math.nan, 0.1, 0.8)[1]


def test_householder_step_falls_back_to_newton_where_it_would_turn_round() -> None:
    assert householder_step((1.0, 1.0, -9.0, 0.0)) == 1.0
