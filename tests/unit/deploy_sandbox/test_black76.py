"""Option prices against the textbook, one option at a time."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.black76 import black_price, erfc, normal_cdf

prices = st.floats(50.0, 100_000.0)
years = st.floats(1e-6, 3.0)
vols = st.floats(0.02, 2.0)


def textbook(
    forward: float, strike: float, time: float, vol: float, rate: float
) -> tuple[float, float]:
    deviation = vol * math.sqrt(time)
    upper = math.log(forward / strike) / deviation + deviation / 2
    lower = upper - deviation

    def cdf(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    discount = math.exp(-rate * time)
    call = discount * (forward * cdf(upper) - strike * cdf(lower))
    put = discount * (strike * cdf(-lower) - forward * cdf(-upper))
    return call, put


def test_erfc_over_its_whole_range_agrees_with_the_standard_library() -> None:
    x = np.linspace(-6.0, 26.0, 40_001)
    expected = np.array([math.erfc(value) for value in x])
    assert np.max(np.abs(erfc(x) / expected - 1.0)) < 2e-15


def test_erfc_far_beyond_its_range_is_nothing_or_two() -> None:
    found = erfc(np.array([40.0, 1e6, -40.0]))
    assert found[0] < 1e-300
    assert found[1] < 1e-300
    assert found[2] == 2.0


def test_normal_cdf_deep_in_the_left_tail_keeps_its_digits() -> None:
    assert math.isclose(
        normal_cdf(np.array([-8.0]))[0], 0.5 * math.erfc(8 / math.sqrt(2)), rel_tol=1e-13
    )


@given(prices, prices, years, vols, st.floats(0.0, 0.2))
def test_black_price_of_any_option_is_the_textbook_formula(
    forward: float, strike: float, time: float, vol: float, rate: float
) -> None:
    call, put = black_price(*(np.array([value]) for value in (forward, strike, time, vol)), rate)
    expected_call, expected_put = textbook(forward, strike, time, vol, rate)
    tolerance = 1e-12 * (forward + strike)
    assert abs(call[0] - max(expected_call, 0.0)) < tolerance
    assert abs(put[0] - max(expected_put, 0.0)) < tolerance


@given(prices, prices, years, vols, st.floats(0.0, 0.2))
def test_black_price_of_a_call_and_its_put_differ_by_the_discounted_forward(
    forward: float, strike: float, time: float, vol: float, rate: float
) -> None:
    call, put = black_price(*(np.array([value]) for value in (forward, strike, time, vol)), rate)
    parity = math.exp(-rate * time) * (forward - strike)
    assert abs(call[0] - put[0] - parity) < 1e-12 * (forward + strike)


def test_black_price_at_expiry_is_the_intrinsic_value() -> None:
    call, put = black_price(
        np.array([110.0, 90.0]), np.array([100.0, 100.0]), np.zeros(2), np.full(2, 0.2), 0.07
    )
    assert call.tolist() == [10.0, 0.0]
    assert put.tolist() == [0.0, 10.0]
