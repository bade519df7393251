"""The exponential function as polynomials that vectorise."""

from __future__ import annotations

import numpy as np

from enrich.kernels.bits import bits_of, float_of
from enrich.kernels.jit import inlined

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01  # 21 trailing zero bits: an exponent times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_ROUNDER = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits
_MANTISSA_BITS = np.uint64(52)
_BITS_OF_ONE = np.uint64(0x3FF0000000000000)


@inlined
def exp_bounded(exponent: float) -> float:
    """Return exp(exponent) to about one ulp, for -700 < exponent < 700.

    Source: Cody & Waite (1980), argument reduction with a two-part ln 2; the degree 11 minimax
    polynomial on +-ln(2)/2 was fitted for this project (Remez exchange, 60 digits).
    """
    shifted = exponent * _LOG2_E + _ROUNDER
    whole = shifted - _ROUNDER
    r = (exponent - whole * _LN2_HIGH) - whole * _LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = 0.5 + r * 0.1666666666666667 + r2 * (0.041666666666666616 + r * 0.008333333333326153)
    middle = (
        0.001388888888891799
        + r * 0.00019841269874765153
        + r2 * (2.4801587245716903e-05 + r * 2.7557255461782194e-06)
    )
    high = 2.755734960392068e-07 + r * 2.510519422227151e-08 + r2 * 2.0889390886249168e-09
    fraction = 1.0 + (r + r2 * (low + r4 * (middle + r4 * high)))
    return fraction * float_of((bits_of(shifted) << _MANTISSA_BITS) + _BITS_OF_ONE)


@inlined
def expm1_small(exponent: float) -> float:
    """Return exp(exponent) - 1 to about one ulp, for |exponent| <= 0.36.

    Source: minimax polynomial of degree 12 fitted for this project (Remez exchange, 60 digits).
    """
    x = exponent
    x2 = x * x
    x4 = x2 * x2
    low = 0.5 + x * 0.16666666666666674 + x2 * (0.041666666666666595 + x * 0.00833333333332361)
    middle = (
        0.00138888888889283
        + x * 0.00019841269883319202
        + x2 * (2.4801587231444276e-05 + x * 2.7557245019528066e-06)
    )
    high = 2.7557354580741713e-07 + x * 2.510937815852441e-08 + x2 * 2.089038615225013e-09
    return x + x2 * (low + x4 * (middle + x4 * high))
