"""Third stage: a closed-form first guess within 5e-6 of the solution."""

from __future__ import annotations

import numpy as np

from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    LOG_MONEYNESS,
    NORMALISED_GAP,
    OK,
    TIME_VALUE,
    TOTAL_VOL,
    Columns,
)
from enrich.kernels.logarithm import log_rough

#: Total volatility up to which the correction polynomial was fitted.
TOTAL_VOL_MAX = 1.5
#: ln(1 + gap / time value) up to which the Bachelier inverse was fitted.
DEPTH_MAX = 24.0
_TINY = 1e-30  # makes k/m one at the money without a branch


@inlined
def bachelier_inverse(depth: float) -> tuple[float, float]:
    """Return numerator, denominator of W = (2 beta + m)^2 / s_N^2 at depth = ln(1 + m / beta).

    s_N is the total volatility of the normal model with time value beta, |F - K| = m, both over
    sqrt(F K). The error of W is 8.4e-6 for depths up to 24, thus 4.2e-6 in s_N.

    Source: the Bachelier formula; inverting it by one rational function follows Choi, Kim & Kwak
    (2009), the 5/4 rational was fitted for this project.
    """
    x = depth
    x2 = x * x
    numerator = (
        0.6366144472099801
        + x * 0.042464720230512995
        + x2 * (0.11974833945467368 + x * 0.009546126000620403)
        + x2 * x2 * (0.005157399767011974 + x * 0.00044653610342179547)
    )
    denominator = (
        1.0
        + x * 0.06656951974154098
        + x2 * (0.029247817891771475 + x * 0.004293017104319648)
        + x2 * x2 * 0.00022933417572306266
    )
    return numerator, denominator


@inlined
def black_correction(normal_variance: float, log_moneyness: float) -> float:
    """Return C with s = y (1 + y^2 C): Black's total volatility from the scaled normal one.

    `normal_variance` is y^2 with y = s_N k / m. The error of s is 1.1e-6 for s < 1.5, k < 1.75.

    Source: Hagan & Woodward (1999), Grunspan (2011): the expansion that starts with 1/24; the
    nine-term polynomial was fitted for this project.
    """
    y2 = normal_variance
    k2 = log_moneyness * log_moneyness
    constant = 0.04166258405331342 + k2 * (-0.0003483406774687001 + k2 * 4.3877741218030205e-06)
    linear = 0.0036795787185408203 + k2 * (-5.219405013282387e-05 + k2 * 2.0428954988532984e-06)
    quadratic = 0.0003307621886527063 - k2 * 1.7146884632148488e-05 + y2 * 8.64278634257039e-05
    return constant + y2 * (linear + y2 * quadratic)


@inlined
def guess_total_vol(
    log_moneyness: float, normalised_gap: float, time_value: float
) -> tuple[float, float]:
    """Return total volatility within 5e-6 (relative) of the solution, then the depth it used."""
    depth = log_rough((time_value + normalised_gap) / time_value)
    numerator, denominator = bachelier_inverse(depth)
    above = (2.0 * time_value + normalised_gap) * (log_moneyness + _TINY)
    below = normalised_gap + _TINY
    y2 = (above * above * denominator) / (below * below * numerator)
    return np.sqrt(y2) * (1.0 + y2 * black_correction(y2, log_moneyness)), depth


@compiled
def guess_stage(scratch: Columns) -> None:
    """Write the guess of total volatility; OK stays where the fits hold."""
    for row in range(BLOCK_ROWS):
        total_vol, depth = guess_total_vol(
            scratch[row + LOG_MONEYNESS],
            scratch[row + NORMALISED_GAP],
            scratch[row + TIME_VALUE],
        )
        scratch[row + TOTAL_VOL] = total_vol
        inside = (total_vol < TOTAL_VOL_MAX) & (depth < DEPTH_MAX)
        scratch[row + OK] = scratch[row + OK] if inside else 0.0
