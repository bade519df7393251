"""A smile through a chain's volatilities, free of butterfly arbitrage by construction.

Raw SVI, total variance w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)) in log-moneyness k:
Gatheral (2004), "A parsimonious arbitrage-free implied volatility parameterization". Calibrated
quasi-explicitly, Zeliade: De Marco, Martini (2009): for given (m, sigma) the rest is a convex
quadratic program in two unknowns, solved exactly; (m, sigma) are searched on a grid that is refined
a fixed number of times. A candidate counts only if g(k) >= 0, Gatheral & Jacquier (2014), lemma
2.2, at every check point, if its wings keep to |slope| <= 2, Lee (2004), if w > 0.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels.jit import compiled

# How the smile was found.
NONE: Final = 0  # too few volatilities, or no curve through them
SVI: Final = 1
QUADRATIC: Final = 2

# Parameters by position; a quadratic has its three coefficients in the first three.
A: Final = 0
B: Final = 1
RHO: Final = 2
M: Final = 3
SIGMA: Final = 4
RMSE: Final = 5
WORST: Final = 6
BUTTERFLY_MIN: Final = 7
RESULTS: Final = 8

POINTS_MIN: Final = 5
QUADRATIC_POINTS_MIN: Final = 3
_CENTRES: Final = 9
_WIDTHS: Final = 8
_REFINEMENTS: Final = 4
_REFINED: Final = 5
_CHECKS: Final = 25
_SLOPE_MAX: Final = 2.0
#: g is allowed to be below zero by rounding.
_BUTTERFLY_TOLERANCE: Final = -1e-9


@compiled
def svi_variance(k: float, a: float, b: float, rho: float, m: float, sigma: float) -> float:
    """Return the total variance at log-moneyness k."""
    x = k - m
    return a + b * (rho * x + math.sqrt(x * x + sigma * sigma))


@compiled
def butterfly(k: float, a: float, b: float, rho: float, m: float, sigma: float) -> float:
    """Return g(k): the risk-neutral density has its sign.

    Source: Gatheral & Jacquier (2014), "Arbitrage-free SVI volatility surfaces", equation 2.1.
    """
    x = k - m
    root = math.sqrt(x * x + sigma * sigma)
    w = a + b * (rho * x + root)
    if not w > 0.0:
        return -1.0
    slope = b * (rho + x / root)
    curvature = b * sigma * sigma / (root * root * root)
    half = 1.0 - k * slope / (2.0 * w)
    return half * half - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * curvature


@compiled
def _butterfly_min(low: float, high: float, parameters: Any) -> float:
    least = math.inf
    for check in range(_CHECKS):
        k = low + (high - low) * check / (_CHECKS - 1)
        least = min(
            least,
            butterfly(
                k, parameters[A], parameters[B], parameters[RHO], parameters[M], parameters[SIGMA]
            ),
        )
    return least


@compiled
def _best_on_edge(
    hessian: Any, gradient: Any, start: Any, direction: Any, length: float
) -> tuple[float, float, float]:
    """Return the minimum of the quadratic on start + t direction, 0 <= t <= length, where it is."""
    p, q = direction
    c, d = start
    curvature = hessian[0] * p * p + 2.0 * hessian[1] * p * q + hessian[2] * q * q
    slope = (hessian[0] * c + hessian[1] * d - gradient[0]) * p
    slope += (hessian[1] * c + hessian[2] * d - gradient[1]) * q
    t = min(max(-slope / curvature, 0.0), length) if curvature > 0.0 else 0.0
    c, d = c + t * p, d + t * q
    value = 0.5 * (hessian[0] * c * c + 2.0 * hessian[1] * c * d + hessian[2] * d * d)
    return value - gradient[0] * c - gradient[1] * d, c, d


@compiled
def _inner(
    points: int, x: Any, w: Any, weights: Any, m: float, sigma: float
) -> tuple[float, float, float, float]:
    """Return the least squared error for given (m, sigma), with a, c, d of a + d y + c z.

    y = (k - m) / sigma, z = sqrt(y^2 + 1), weights sum to 1; the region |d| <= c, |d| <= 2 sigma -
    c is a square standing on its corner, so a solution that is outside lies on one of four edges.
    """
    mean_y = mean_z = mean_w = 0.0
    for i in range(points):
        y = (x[i] - m) / sigma
        mean_y += weights[i] * y
        mean_z += weights[i] * math.sqrt(y * y + 1.0)
        mean_w += weights[i] * w[i]
    zz = zy = yy = zw = yw = ww = 0.0
    for i in range(points):
        y = (x[i] - m) / sigma
        z = math.sqrt(y * y + 1.0) - mean_z
        y -= mean_y
        v = w[i] - mean_w
        zz += weights[i] * z * z
        zy += weights[i] * z * y
        yy += weights[i] * y * y
        zw += weights[i] * z * v
        yw += weights[i] * y * v
        ww += weights[i] * v * v
    hessian, gradient = (zz, zy, yy), (zw, yw)
    top = _SLOPE_MAX * sigma
    determinant = zz * yy - zy * zy
    c = d = -1.0
    if determinant > 1e-14 * zz * yy:
        c = (zw * yy - yw * zy) / determinant
        d = (yw * zz - zw * zy) / determinant
    if abs(d) <= c and abs(d) <= top - c:
        value = -0.5 * (zw * c + yw * d)
    else:
        length = 0.5 * top
        value, c, d = _best_on_edge(hessian, gradient, (0.0, 0.0), (1.0, 1.0), length)
        for edge in range(3):
            if edge == 0:
                found = _best_on_edge(hessian, gradient, (0.0, 0.0), (1.0, -1.0), length)
            elif edge == 1:
                found = _best_on_edge(hessian, gradient, (top, 0.0), (-1.0, 1.0), length)
            else:
                found = _best_on_edge(hessian, gradient, (top, 0.0), (-1.0, -1.0), length)
            if found[0] < value:
                value, c, d = found
    return ww + 2.0 * value, mean_w - d * mean_y - c * mean_z, c, d


@compiled
def _try(points: int, x: Any, w: Any, weights: Any, m: float, sigma: float, out: Any) -> None:
    """Keep this (m, sigma) in `out` if its error, out[RMSE], is less, its density nowhere < 0."""
    error, a, c, d = _inner(points, x, w, weights, m, sigma)
    if not error < out[RMSE]:
        return
    b = c / sigma
    if not b > 0.0:
        return
    candidate = (a, b, d / c, m, sigma)
    margin = 0.5 * (x[points - 1] - x[0])
    least = _butterfly_min(x[0] - margin, x[points - 1] + margin, candidate)
    if least >= _BUTTERFLY_TOLERANCE:
        out[A], out[B], out[RHO], out[M], out[SIGMA] = candidate
        out[RMSE], out[BUTTERFLY_MIN] = error, least


@compiled
def _search(points: int, x: Any, w: Any, weights: Any, out: Any) -> None:
    """Search (m, sigma): a coarse grid, then finer ones round the best so far."""
    low, high = x[0], x[points - 1]
    width = high - low
    ratio = math.exp(math.log(100.0) / (_WIDTHS - 1))
    for i in range(_CENTRES):
        m = low - 0.25 * width + 1.5 * width * i / (_CENTRES - 1)
        sigma = 0.02 * width
        for _ in range(_WIDTHS):
            _try(points, x, w, weights, m, sigma, out)
            sigma *= ratio
    step = 1.5 * width / (_CENTRES - 1)
    for _ in range(_REFINEMENTS):
        if math.isinf(out[RMSE]):
            return
        centre, middle = out[M], out[SIGMA]
        step *= 2.0 / (_REFINED - 1)
        ratio = ratio ** (2.0 / (_REFINED - 1))
        for i in range(_REFINED):
            for j in range(_REFINED):
                m = centre + step * (i - _REFINED // 2)
                sigma = middle * ratio ** (j - _REFINED // 2)
                _try(points, x, w, weights, m, sigma, out)


@compiled
def _quadratic(points: int, x: Any, vols: Any, weights: Any, out: Any) -> bool:
    """Fit volatility = c0 + c1 k + c2 k^2 by least squares; return whether it could be."""
    moments, right = np.zeros(5), np.zeros(3)
    scale = max(abs(x[0]), abs(x[points - 1]))
    if not scale > 0.0:
        return False
    for i in range(points):
        power = weights[i]
        for degree in range(5):
            moments[degree] += power
            if degree < 3:
                right[degree] += power * vols[i]
            power *= x[i] / scale
    m0, m1, m2, m3, m4 = moments[0], moments[1], moments[2], moments[3], moments[4]
    c00, c01, c02 = m2 * m4 - m3 * m3, m2 * m3 - m1 * m4, m1 * m3 - m2 * m2
    c11, c12, c22 = m0 * m4 - m2 * m2, m1 * m2 - m0 * m3, m0 * m2 - m1 * m1
    determinant = m0 * c00 + m1 * c01 + m2 * c02
    if not determinant > 1e-12:
        return False
    out[0] = (c00 * right[0] + c01 * right[1] + c02 * right[2]) / determinant
    out[1] = (c01 * right[0] + c11 * right[1] + c12 * right[2]) / determinant / scale
    out[2] = (c02 * right[0] + c12 * right[1] + c22 * right[2]) / determinant / (scale * scale)
    return True


@compiled
def smile_vol(kind: int, k: float, time: float, parameters: Any) -> float:
    """Return the fitted volatility at log-moneyness k, NaN where there is none."""
    if kind == SVI:
        w = svi_variance(
            k, parameters[A], parameters[B], parameters[RHO], parameters[M], parameters[SIGMA]
        )
        return math.sqrt(w / time) if w > 0.0 else math.nan
    if kind == QUADRATIC:
        return float(parameters[0] + k * (parameters[1] + k * parameters[2]))
    return math.nan


@compiled
def smile_vols(
    kind: int, strikes: Any, forward: float, time: float, parameters: Any, out: Any
) -> None:
    """Write the fitted volatility of each strike, shape (n,), to six decimals."""
    for k in range(strikes.size):
        vol = smile_vol(kind, math.log(strikes[k] / forward), time, parameters)
        out[k] = np.floor(vol * 1e6 + 0.5) / 1e6


@compiled
def fit_smile(points: int, x: Any, vols: Any, weights: Any, time: float, out: Any) -> int:
    """Fit a smile; return how it was found.

    `x`: log-moneyness ln(K / F), ascending; `vols`, a year; `weights` of errors in total variance,
    any positive scale, changed here; all of shape (points,) or longer. `time` in years. `out`:
    (RESULTS,), NaN where there is no number; RMSE and WORST are in volatility, unweighted.
    """
    for i in range(RESULTS):
        out[i] = math.nan
    if points < QUADRATIC_POINTS_MIN or not time > 0.0 or not x[points - 1] > x[0]:
        return NONE
    total = 0.0
    for i in range(points):
        total += weights[i]
    w = np.empty(points)
    for i in range(points):
        weights[i] /= total
        w[i] = vols[i] * vols[i] * time
    kind = NONE
    if points >= POINTS_MIN:
        out[RMSE] = math.inf
        _search(points, x, w, weights, out)
        if not math.isinf(out[RMSE]):
            kind = SVI
    if kind == NONE:
        out[RMSE] = math.nan
        if not _quadratic(points, x, vols, weights, out):
            return NONE
        kind = QUADRATIC
    squares = worst = 0.0
    for i in range(points):
        error = abs(smile_vol(kind, x[i], time, out) - vols[i])
        squares += error * error
        worst = max(worst, error)
    out[RMSE], out[WORST] = math.sqrt(squares / points), worst
    return kind
