"""Sixth stage: one third-order step on the logarithm of the price."""

from __future__ import annotations

from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    DENSITY,
    DISTANCE,
    INVERSE_GUESS,
    OK,
    STEP,
    TIME_VALUE,
    TOTAL_VOL,
    Columns,
)

#: Largest step, relative to the guess, after which the error (about its cube) is below an ulp.
STEP_MAX = 2e-5
#: Largest relative distance in price that the four terms of the logarithm cover.
RESIDUAL_MAX = 1e-3


@inlined
def halley_step(
    residual: float, difference: float, distance: float, total_vol: float, inverse: float
) -> float:
    """Return the step from s towards b(s) = beta.

    `residual` is beta / b(s) - 1, `difference` b / b', `inverse` 1 / s.

    With D = b / b' the Newton step on ln b is D ln(beta / b); b''/b' = h^2 / s - s / 4 gives the
    next order. The ratio is 1 + O(1e-4), so its logarithm is four terms of a series.

    Source: Halley's method; Jaeckel, Let's Be Rational (2013), for the derivatives.
    """
    e = residual
    logarithm = e * (1.0 - e * (0.5 - e * (0.3333333333333333 - e * 0.25)))
    newton = difference * logarithm
    curvature = distance * distance * inverse - 0.25 * total_vol
    x = 0.5 * (newton * curvature - logarithm)
    return newton * (1.0 - x * (1.0 - x))


@compiled
def halley_stage(scratch: Columns) -> None:
    """Replace the Mills difference by the step; OK stays where the guess was near enough."""
    for row in range(BLOCK_ROWS):
        total_vol = scratch[row + TOTAL_VOL]
        difference = scratch[row + STEP]
        residual = scratch[row + TIME_VALUE] / (scratch[row + DENSITY] * difference) - 1.0
        step = halley_step(
            residual,
            difference,
            scratch[row + DISTANCE],
            total_vol,
            scratch[row + INVERSE_GUESS],
        )
        scratch[row + STEP] = step
        inside = (abs(step) < STEP_MAX * total_vol) & (abs(residual) < RESIDUAL_MAX)
        scratch[row + OK] = scratch[row + OK] if inside else 0.0
