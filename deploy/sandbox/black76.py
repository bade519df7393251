"""Option prices on a forward, over columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Coefficients of W. J. Cody, "Rational Chebyshev approximations for the error function",
# Mathematics of Computation 23 (1969), as published in his CALERF; highest power last.
_NEAR_TOP = (
    3.20937758913846947e03,
    3.77485237685302021e02,
    1.13864154151050156e02,
    3.16112374387056560e00,
    1.85777706184603153e-1,
)
_NEAR_BOTTOM = (
    2.84423683343917062e03,
    1.28261652607737228e03,
    2.44024637934444173e02,
    2.36012909523441209e01,
    1.0,
)
_MIDDLE_TOP = (
    1.23033935479799725e03,
    2.05107837782607147e03,
    1.71204761263407058e03,
    8.81952221241769090e02,
    2.98635138197400131e02,
    6.61191906371416295e01,
    8.88314979438837594e00,
    5.64188496988670089e-1,
    2.15311535474403846e-8,
)
_MIDDLE_BOTTOM = (
    1.23033935480374942e03,
    3.43936767414372164e03,
    4.36261909014324716e03,
    3.29079923573345963e03,
    1.62138957456669019e03,
    5.37181101862009858e02,
    1.17693950891312499e02,
    1.57449261107098347e01,
    1.0,
)
_FAR_TOP = (
    6.58749161529837803e-4,
    1.60837851487422766e-2,
    1.25781726111229246e-1,
    3.60344899949804439e-1,
    3.05326634961232344e-1,
    1.63153871373020978e-2,
)
_FAR_BOTTOM = (
    2.33520497626869185e-3,
    6.05183413124413191e-2,
    5.27905102951428412e-1,
    1.87295284992346725e00,
    2.56852019228982242e00,
    1.0,
)
_NEAR_MAX = 0.46875
_MIDDLE_MAX = 4.0
_UNDERFLOW = 26.6  # erfc is below the smallest normal double from here on
_INV_SQRT_PI = 0.56418958354775628695
_INV_SQRT_2 = 0.70710678118654752440
_EXP_GRID = 16.0


def black_price(
    forward: Floats, strike: Floats, time_to_expiry: Floats, vol: Floats, rate: float
) -> tuple[Floats, Floats]:
    """Return call then put prices; arrays of one shape, prices in rupees, times in years.

    Where time or volatility is not positive the price is the discounted intrinsic value.
    Source: F. Black, "The pricing of commodity contracts", J. Financial Economics 3 (1976).
    """
    discount = np.exp(-rate * np.maximum(time_to_expiry, 0.0))
    deviation = vol * np.sqrt(np.maximum(time_to_expiry, 0.0))
    alive = deviation > 0.0
    safe = np.where(alive, deviation, 1.0)
    upper = np.log(forward / strike) / safe + 0.5 * safe
    lower = upper - safe
    call = discount * (forward * normal_cdf(upper) - strike * normal_cdf(lower))
    put = discount * (strike * normal_cdf(-lower) - forward * normal_cdf(-upper))
    return (
        np.where(alive, np.maximum(call, 0.0), discount * np.maximum(forward - strike, 0.0)),
        np.where(alive, np.maximum(put, 0.0), discount * np.maximum(strike - forward, 0.0)),
    )


def normal_cdf(x: Floats) -> Floats:
    """Return the standard normal distribution at each x, accurate in both tails."""
    return 0.5 * erfc(-x * _INV_SQRT_2)


def erfc(x: Floats) -> Floats:
    """Return the complementary error function at each x, within a few units of the last place."""
    magnitude = np.minimum(np.abs(x), _UNDERFLOW)
    near = magnitude <= _NEAR_MAX
    far = magnitude > _MIDDLE_MAX
    middle_at = np.clip(magnitude, _NEAR_MAX, _MIDDLE_MAX)
    far_at = np.maximum(magnitude, _MIDDLE_MAX)
    tail = _exp_minus_square(magnitude) * np.where(far, _far(far_at), _middle(middle_at))
    whole = np.where(x < 0.0, 2.0 - tail, tail)
    return np.where(near, 1.0 - _near(np.where(near, x, 0.0)), whole)


def _near(x: Floats) -> Floats:
    square = x * x
    return x * _polynomial(_NEAR_TOP, square) / _polynomial(_NEAR_BOTTOM, square)


def _middle(x: Floats) -> Floats:
    return _polynomial(_MIDDLE_TOP, x) / _polynomial(_MIDDLE_BOTTOM, x)


def _far(x: Floats) -> Floats:
    inverse = 1.0 / (x * x)
    ratio = inverse * _polynomial(_FAR_TOP, inverse) / _polynomial(_FAR_BOTTOM, inverse)
    return (_INV_SQRT_PI - ratio) / x


def _exp_minus_square(x: Floats) -> Floats:
    # Split so that the rounding of x*x is not magnified by the exponential.
    coarse = np.trunc(x * _EXP_GRID) / _EXP_GRID
    return np.exp(-coarse * coarse) * np.exp(-(x - coarse) * (x + coarse))


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
