"""Seventh stage: implied volatility with its eight Greeks."""

from __future__ import annotations

import numpy as np

from enrich.kernels.formulas import PER_POINT, Solution, black_greeks, reciprocals
from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    CARRY_GROWTH,
    CHARM,
    DELTA,
    DENSITY,
    DISTANCE,
    DIVIDEND_YIELD,
    FORWARD,
    FORWARD_GAP,
    GAMMA,
    GEOMETRIC_MEAN,
    IMPLIED_VOL,
    INVERSE_MEAN,
    MILLS,
    OPTION_SIGN,
    PRICE,
    RATE,
    RATE_GROWTH,
    RHO,
    STEP,
    STRIKE,
    THETA,
    TIME_TO_EXPIRY,
    TIME_VALUE,
    TOTAL_VOL,
    UNDERLYING,
    VANNA,
    VEGA,
    VOMMA,
    Columns,
)


@inlined
def moved_density(density: float, exponent: float) -> float:
    """Return density * exp(-exponent) for an exponent below 1e-3.

    Source: Taylor's theorem; five terms leave less than 1e-17.
    """
    x = exponent
    return density * (1.0 - x * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 24.0)))))


@inlined
def moved_mills(mills: float, point: float, move: float) -> float:
    """Return M(point + move) from M(point), for a move below 2e-4.

    Source: Taylor's theorem with M' = z M - 1.
    """
    first = point * mills - 1.0
    second = mills + point * first
    third = 2.0 * first + point * second
    return mills + move * (first + move * (0.5 * second + move * (1.0 / 6.0) * third))


@inlined
def sided(
    option_sign: float,
    gap: float,
    legs: tuple[float, float],
    tails: tuple[float, float],
    points: tuple[float, float],
) -> tuple[float, float, float, float]:
    """Return N(cp d1), N(cp d2), d1, d2 from the tails of the side out of the money.

    `legs` are F and K over sqrt(F K), `tails` the density times M(z1), M(z2), `points` z1, z2.
    Since n(d1) is the density times K / sqrt(F K), d1 takes the strike's leg, d2 the forward's.
    A gap of zero counts as the call's side.
    """
    forward_leg, strike_leg = legs
    near_tail, far_tail = tails
    near, far = points
    forward_above = gap > 0.0  # then the put is the side out of the money
    first = strike_leg * (far_tail if forward_above else near_tail)
    second = forward_leg * (near_tail if forward_above else far_tail)
    out_of_the_money = (option_sign < 0.0) == forward_above
    return (
        first if out_of_the_money else 1.0 - first,
        second if out_of_the_money else 1.0 - second,
        far if forward_above else -near,
        near if forward_above else -far,
    )


@inlined
def solution_at(scratch: Columns, row: int, step: float, inverse_total_vol: float) -> Solution:
    """Return density, N(cp d1), N(cp d2), d1, d2, s of a row after the step.

    Density and Mills ratio are moved to the solution instead of computed again. Tail minus time
    value is the density times M(z2), since the time value is the density times the difference.
    """
    distance = scratch[row + DISTANCE]
    guess = scratch[row + TOTAL_VOL]
    total_vol = guess + step
    distance_move = -distance * step * inverse_total_vol
    half_move = 0.5 * step
    exponent = distance_move * (distance + 0.5 * distance_move) + half_move * (
        0.5 * guess + 0.5 * half_move
    )
    density = moved_density(scratch[row + DENSITY], exponent)
    near = distance - 0.5 * guess
    near_move = distance_move - half_move
    tail = density * moved_mills(scratch[row + MILLS], near, near_move)
    near = near + near_move
    inverse_mean = scratch[row + INVERSE_MEAN]
    first, second, d1, d2 = sided(
        scratch[row + OPTION_SIGN],
        scratch[row + FORWARD_GAP],
        (inverse_mean * scratch[row + FORWARD], inverse_mean * scratch[row + STRIKE]),
        (tail, tail - scratch[row + TIME_VALUE]),
        (near, near + total_vol),
    )
    return density, first, second, d1, d2, total_vol


@compiled
def implied_vol_stage(scratch: Columns) -> None:
    """Write implied volatility alone."""
    for row in range(BLOCK_ROWS):
        total_vol = scratch[row + TOTAL_VOL] + scratch[row + STEP]
        scratch[row + IMPLIED_VOL] = total_vol / np.sqrt(scratch[row + TIME_TO_EXPIRY])


@compiled
def greeks_stage(scratch: Columns) -> None:
    """Write the nine results from the guess, the step, and what the stages before have left."""
    for row in range(BLOCK_ROWS):
        underlying = scratch[row + UNDERLYING]
        time_to_expiry = scratch[row + TIME_TO_EXPIRY]
        step = scratch[row + STEP]
        total_vol = scratch[row + TOTAL_VOL] + step
        root_time = np.sqrt(time_to_expiry)
        inverse = reciprocals(underlying, scratch[row + RATE_GROWTH], total_vol, root_time)
        implied_vol, delta, gamma, theta, vega, rho, vanna, vomma, charm = black_greeks(
            (
                underlying,
                scratch[row + STRIKE],
                time_to_expiry,
                scratch[row + RATE],
                scratch[row + DIVIDEND_YIELD],
                scratch[row + OPTION_SIGN],
            ),
            inverse,
            solution_at(scratch, row, step, inverse[2]),
            root_time,
            scratch[row + GEOMETRIC_MEAN],
            scratch[row + CARRY_GROWTH],
        )
        scratch[row + IMPLIED_VOL] = implied_vol
        scratch[row + DELTA] = delta
        scratch[row + GAMMA] = gamma
        scratch[row + THETA] = theta
        scratch[row + VEGA] = vega
        scratch[row + RHO] = rho
        scratch[row + VANNA] = vanna
        scratch[row + VOMMA] = vomma
        scratch[row + CHARM] = charm


@compiled
def forward_rho_stage(scratch: Columns, forward_mode: bool) -> None:
    """In forward mode replace rho: a quoted forward does not move with the rate, so -T V / 100."""
    for row in range(BLOCK_ROWS):
        discounting = -PER_POINT * scratch[row + TIME_TO_EXPIRY] * scratch[row + PRICE]
        scratch[row + RHO] = discounting if forward_mode else scratch[row + RHO]
