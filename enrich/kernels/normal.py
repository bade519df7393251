"""The tail of the normal distribution for one number of any size."""

from __future__ import annotations

import math

from enrich.kernels.density import INVERSE_SQRT_2PI
from enrich.kernels.elementary import exp
from enrich.kernels.jit import compiled
from enrich.kernels.mills import (
    MILLS_MAX,
    MILLS_MIN,
    denominator,
    mills_and_difference,
    numerator,
)

_SQRT_2PI = 2.5066282746310002
_OVERFLOW = -37.6  # left of it the ratio is beyond the doubles


@compiled
def mills_ratio(z: float) -> float:
    """Return (1 - N(z)) / n(z) for any z.

    Source: the asymptotic series in 1/z^2 (Abramowitz & Stegun 26.2.12) above 45, reflection below
    -1, the rational of the block stage between.
    """
    if z > MILLS_MAX:
        u = 1.0 / (z * z)
        series = 15.0 - u * (105.0 - u * (945.0 - u * 10395.0))
        return (1.0 - u * (1.0 - u * (3.0 - u * series))) / z
    if z < _OVERFLOW:
        return math.inf
    size = z if z >= MILLS_MIN else -z
    above, _ = numerator(size, size)
    below, _ = denominator(size, size)
    ratio = above / below
    return ratio if z >= MILLS_MIN else _SQRT_2PI * exp(0.5 * z * z) - ratio


@compiled
def mills_difference(near: float, far: float, distance: float) -> float:
    """Return M(near) - M(far) for any points `distance` apart."""
    if near >= MILLS_MIN and far <= MILLS_MAX:
        _, difference = mills_and_difference(near, far, distance)
        return difference
    return mills_ratio(near) - mills_ratio(far)


@compiled
def upper_tail(z: float) -> float:
    """Return 1 - N(z), keeping relative accuracy on the right."""
    size = z if z >= MILLS_MIN else -z
    tail = INVERSE_SQRT_2PI * exp(-0.5 * z * z) * mills_ratio(size)
    return float(tail if z >= MILLS_MIN else 1.0 - tail)
