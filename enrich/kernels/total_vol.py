"""Total volatility of one row, bracketed, for any solvable price."""

from __future__ import annotations

import math

import numpy as np

from enrich.kernels.elementary import exp, log, log1p
from enrich.kernels.guess import guess_total_vol
from enrich.kernels.jit import compiled
from enrich.kernels.normal import mills_difference, mills_ratio

_SQRT_2PI = 2.5066282746310002
_LN_SQRT_2PI = 0.9189385332046727
_DEPTH_OF_GUESS = 30.0  # ln(1 + m / beta) up to which the closed form is a fair start
_VOL_MAX = 75.0
_ATTEMPTS_MAX = 100
_FREE_STEPS = 20  # from then on only halving, which cannot fail to end
_LAST_STEP = 1e-4  # of fourth order, a smaller step is the last one
_NEAR_MAX = 0.75  # part of the largest value beyond which the distance to it is solved for

#: ln(target / value) (positive: volatility is too low), then Newton's scale and the curvatures.
Residual = tuple[float, float, float, float]


@compiled
def starting_vol(log_moneyness: float, beta: float, headroom: float, near_max: bool) -> float:
    """Return a start for the iteration.

    Source: near the largest value, the bound 1 - N(x) <= exp(-x^2 / 2) / 2; very far from the
    money, the leading terms of ln b = -h^2/2 - 3 ln h - ln sqrt(2 pi), inverted by iteration.
    b(s) <= s / sqrt(2 pi) bounds any start from below.
    """
    if near_max:
        tail = headroom / (2.0 * math.cosh(0.5 * log_moneyness))
        return float(max(2.0 * np.sqrt(-2.0 * log(min(2.0 * tail, 0.9))), 0.5))
    gap = 2.0 * math.sinh(0.5 * log_moneyness)
    depth = log1p(gap / beta)
    if depth < _DEPTH_OF_GUESS:
        start, _ = guess_total_vol(log_moneyness, gap, beta)
    else:
        # A quotient beyond the doubles is taken apart.
        depth = depth if depth < 600.0 else log(gap) - log(beta)
        excess = depth - _LN_SQRT_2PI
        distance = np.sqrt(2.0 * excess)
        for _ in range(3):
            distance = np.sqrt(2.0 * max(excess - 3.0 * log(distance), 0.5))
        start = log_moneyness / distance
    return float(min(max(start, _SQRT_2PI * beta), 12.0))


@compiled
def value_residual(total_vol: float, log_moneyness: float, log_beta: float) -> Residual:
    """Return the residual of ln b(s) = ln beta with what its Householder step needs.

    Source: Jaeckel, Let's Be Rational (2013).
    """
    s = total_vol
    h = log_moneyness / s
    t = 0.5 * s
    d = mills_difference(h - t, h + t, s)
    residual = log_beta + 0.5 * (h * h + t * t) + _LN_SQRT_2PI - log(d)
    b2 = h * h / s - 0.25 * s
    second = b2 - 1.0 / d
    third = b2 * b2 - 3.0 * (h / s) * (h / s) - 0.25 - 3.0 * b2 / d + 2.0 / (d * d)
    return residual, d, second, third


@compiled
def headroom_residual(total_vol: float, log_moneyness: float, log_headroom: float) -> Residual:
    """Return the same for ln(b_max - b(s)), which stays accurate where b flattens out.

    Source: Jaeckel, Let's Be Rational (2013), the upper branch.
    """
    s = total_vol
    h = log_moneyness / s
    t = 0.5 * s
    c = mills_ratio(t - h) + mills_ratio(h + t)
    residual = log(c) - 0.5 * (h * h + t * t) - _LN_SQRT_2PI - log_headroom
    b2 = h * h / s - 0.25 * s
    second = b2 + 1.0 / c
    third = b2 * b2 - 3.0 * (h / s) * (h / s) - 0.25 + 3.0 * b2 / c + 2.0 / (c * c)
    return residual, c, second, third


@compiled
def householder_step(residual: Residual) -> float:
    """Return the fourth-order step, or Newton's where that one would turn round.

    Source: Householder (1970), The Numerical Treatment of a Single Nonlinear Equation.
    """
    logarithm, scale, second, third = residual
    newton = scale * logarithm
    below = 1.0 + newton * (second + newton * third / 6.0)
    step = newton * (1.0 + 0.5 * newton * second) / below
    same_way = below > 0.0 and step * newton > 0.0 and abs(step) < math.inf
    return step if same_way else newton


@compiled
def solve_total_vol(log_moneyness: float, beta: float, headroom: float) -> tuple[float, bool]:
    """Return (total volatility, solved) for a time value beta over sqrt(F K).

    `headroom` is exp(-k/2) - beta, formed by the caller without cancellation; it must be positive.
    """
    near_max = beta > _NEAR_MAX * exp(-0.5 * log_moneyness)
    target = log(headroom) if near_max else log(beta)
    s = starting_vol(log_moneyness, beta, headroom, near_max)
    low = 0.0
    high = _VOL_MAX
    for attempt in range(_ATTEMPTS_MAX):
        if near_max:
            residual = headroom_residual(s, log_moneyness, target)
        else:
            residual = value_residual(s, log_moneyness, target)
        if residual[0] == 0.0:
            return s, True
        low = s if residual[0] > 0.0 else low
        high = s if residual[0] < 0.0 else high
        step = householder_step(residual)
        if abs(step) <= _LAST_STEP * s:
            return s + step, True
        moved = s + step
        if not low < moved < high or attempt > _FREE_STEPS:
            moved = 0.5 * (low + high) if low > 0.0 else 0.5 * s
        s = moved
    return s, False
