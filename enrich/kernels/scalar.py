"""One row of any kind: a status for what cannot be solved, a bracketed solution for the rest."""

from __future__ import annotations

import numpy as np

from enrich.kernels import status as codes
from enrich.kernels.carry import TIME_MAX, time_value_and_gap
from enrich.kernels.density import INVERSE_SQRT_2PI
from enrich.kernels.elementary import exp, expm1, log, log1p
from enrich.kernels.formulas import PER_POINT, Results, Row, Solution, black_greeks, reciprocals
from enrich.kernels.jit import compiled
from enrich.kernels.layout import (
    CHARM,
    DELTA,
    DIVIDEND_YIELD,
    GAMMA,
    IMPLIED_VOL,
    OPTION_SIGN,
    PRICE,
    RATE,
    RHO,
    STRIKE,
    THETA,
    TIME_TO_EXPIRY,
    UNDERLYING,
    VANNA,
    VEGA,
    VOMMA,
    Columns,
)
from enrich.kernels.normal import mills_difference, mills_ratio, upper_tail
from enrich.kernels.total_vol import solve_total_vol

OK = codes.OK
NO_PRICE = codes.NO_PRICE
BELOW_INTRINSIC = codes.BELOW_INTRINSIC
AT_INTRINSIC = codes.AT_INTRINSIC
ABOVE_MAX = codes.ABOVE_MAX
EXPIRED = codes.EXPIRED
BAD_INPUT = codes.BAD_INPUT
NO_CONVERGENCE = codes.NO_CONVERGENCE

#: Rupees: beyond it squares leave the doubles.
_LEVEL_MIN = 1e-100
_LEVEL_MAX = 1e100
#: Largest |rate| times years.
_GROWTH_EXPONENT_MAX = 50.0
#: Rounding of the time value of an in-the-money row, relative to what it is formed from.
_ROUNDING = 4.5e-16


@compiled
def input_status(price: float, row: Row) -> np.uint8:
    """Return BAD_INPUT, EXPIRED, NO_PRICE or, when none of these holds, OK."""
    underlying, strike, time_to_expiry, rate, dividend_yield, option_sign = row
    sane = (
        abs(option_sign) == 1.0
        and _LEVEL_MIN < underlying < _LEVEL_MAX
        and _LEVEL_MIN < strike < _LEVEL_MAX
        and abs(time_to_expiry) < TIME_MAX
        and abs(price) < _LEVEL_MAX
        and abs(rate) < np.inf
        and abs(dividend_yield) < np.inf
        and abs(rate * time_to_expiry) < _GROWTH_EXPONENT_MAX
        and abs((rate - dividend_yield) * time_to_expiry) < _GROWTH_EXPONENT_MAX
    )
    if not sane:
        return BAD_INPUT
    if not time_to_expiry > 0.0:
        return EXPIRED
    return OK if price > 0.0 else NO_PRICE


@compiled
def value_status(time_value: float, rounding: float, largest: float) -> np.uint8:
    """Return where an undiscounted time value lies between intrinsic and the largest possible."""
    if time_value < -rounding:
        return BELOW_INTRINSIC
    if time_value <= rounding:
        return AT_INTRINSIC
    return OK if time_value < largest else ABOVE_MAX


@compiled
def solution_of(
    log_moneyness: float,
    beta: float,
    total_vol: float,
    legs: tuple[float, float],
    sides: tuple[bool, bool],
) -> Solution:
    """Return density, N(cp d1), N(cp d2), d1, d2, total volatility.

    `legs` are F and K over sqrt(F K); `sides` tell whether F > K, whether the option is a put.

    Away from the money the density comes from the price itself (beta is the density times the
    Mills difference), which spares it the error of a large exponent.
    """
    h = log_moneyness / total_vol
    t = 0.5 * total_vol
    near = h - t
    far = h + t
    forward_leg, strike_leg = legs
    forward_above, put = sides
    if h > 1.0:
        density = beta / mills_difference(near, far, total_vol)
        near_tail = density * max(forward_leg, strike_leg) * mills_ratio(near)
        far_tail = density * min(forward_leg, strike_leg) * mills_ratio(far)
    else:
        density = INVERSE_SQRT_2PI * exp(-0.5 * (h * h + t * t))
        near_tail = upper_tail(near)
        far_tail = upper_tail(far)
    d1 = far if forward_above else -near
    d2 = near if forward_above else -far
    if put == forward_above:
        first = far_tail if forward_above else near_tail
        second = near_tail if forward_above else far_tail
    else:
        first = upper_tail(-far if forward_above else -near)
        second = upper_tail(-near if forward_above else -far)
    return density, first, second, d1, d2, total_vol


@compiled
def finite(results: Results) -> bool:
    """Return whether every result is a number."""
    total = 0.0
    for result in results:
        total += abs(result)
    return bool(total < np.inf)


@compiled
def solve_price(price: float, row: Row) -> tuple[Results, np.uint8]:
    """Return the nine results with the status of one row; all NaN unless it is OK."""
    nothing = (np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    status = input_status(price, row)
    if status != OK:
        return nothing, status
    underlying, strike, time_to_expiry, rate, dividend_yield, option_sign = row
    carry_growth = expm1((rate - dividend_yield) * time_to_expiry)
    rate_growth = expm1(rate * time_to_expiry)
    carry = underlying * carry_growth
    value, gap = time_value_and_gap(
        price, underlying, strike, option_sign, carry_growth, rate_growth
    )
    rounding = _ROUNDING * (price + abs(underlying - strike) + abs(carry))
    forward = underlying + carry
    low = min(forward, strike)
    status = value_status(value, rounding if option_sign * gap > 0.0 else 0.0, low)
    if status != OK:
        return nothing, status
    mean = np.sqrt(forward) * np.sqrt(strike)
    near_money = abs(gap) < 0.5 * strike
    moneyness = abs(log1p(gap / strike) if near_money else log(forward / strike))
    beta = value / mean
    total_vol, solved = solve_total_vol(moneyness, beta, (low - value) / mean)
    if not solved:
        return nothing, NO_CONVERGENCE
    root_time = np.sqrt(time_to_expiry)
    results = black_greeks(
        row,
        reciprocals(underlying, rate_growth, total_vol, root_time),
        solution_of(
            moneyness,
            beta,
            total_vol,
            (forward / mean, strike / mean),
            (gap > 0.0, option_sign < 0.0),
        ),
        root_time,
        mean,
        carry_growth,
    )
    return (results, OK) if finite(results) else (nothing, NO_CONVERGENCE)


@compiled
def solve_row(scratch: Columns, row: int, forward_mode: bool) -> np.uint8:
    """Solve one row of a scratch block in place; results are NaN where the status is not OK."""
    # One straight line: with a branch or a loop the compiler would count references to the block.
    price = scratch[row + PRICE]
    time_to_expiry = scratch[row + TIME_TO_EXPIRY]
    results, status = solve_price(
        price,
        (
            scratch[row + UNDERLYING],
            scratch[row + STRIKE],
            time_to_expiry,
            scratch[row + RATE],
            scratch[row + DIVIDEND_YIELD],
            scratch[row + OPTION_SIGN],
        ),
    )
    implied_vol, delta, gamma, theta, vega, rho, vanna, vomma, charm = results
    on_forward = forward_mode and status == OK
    scratch[row + IMPLIED_VOL] = implied_vol
    scratch[row + DELTA] = delta
    scratch[row + GAMMA] = gamma
    scratch[row + THETA] = theta
    scratch[row + VEGA] = vega
    scratch[row + RHO] = -PER_POINT * time_to_expiry * price if on_forward else rho
    scratch[row + VANNA] = vanna
    scratch[row + VOMMA] = vomma
    scratch[row + CHARM] = charm
    return status
