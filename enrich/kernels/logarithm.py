"""The logarithm as polynomials that vectorise."""

from __future__ import annotations

import numpy as np

from enrich.kernels.bits import bits_of, float_of
from enrich.kernels.jit import inlined

LN2 = 0.6931471805599453
_MANTISSA_BITS = np.uint64(52)
# Adding it moves the split between exponents from 1 to sqrt(1/2), so the fraction is round one.
_CENTRING = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
_SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_TWO_TO_52_BITS = np.uint64(0x4330000000000000)
_BIASED_TWO_TO_52 = 4503599627370496.0 + 1023.0


@inlined
def log_rough(ratio: float) -> float:
    """Return ln(ratio) with an absolute error of about 1e-6, for ratio >= 1.

    Good enough for a first guess. Anything else (below one, negative, not finite) gives a number
    that the guard of the stage or of the step rejects.

    Source: exponent split, then a degree 7 minimax polynomial fitted for this project.
    """
    centred = bits_of(ratio) + _CENTRING
    exponent = float_of((centred >> _MANTISSA_BITS) | _TWO_TO_52_BITS) - _BIASED_TWO_TO_52
    w = float_of((centred & _MANTISSA) + _SQRT_HALF_BITS) - 1.0
    w2 = w * w
    low = 1.0000009794518598 - w * 0.5000111561302886
    middle = 0.3331446331983488 - w * 0.24909626078398805
    high = 0.20496903911027525 - w * 0.1866897710268067 + w2 * 0.11895403762367104
    return exponent * LN2 + w * (low + w2 * middle + w2 * w2 * high)


@inlined
def twice_atanh(z: float) -> float:
    """Return 2 atanh(z) = ln((1 + z) / (1 - z)) with relative accuracy, for 0 <= z <= 0.1716.

    Source: minimax polynomial of degree 8 in z^2, fitted for this project (Remez, 60 digits).
    """
    v = z * z
    v2 = v * v
    low = (
        0.6666666666666666
        + v * 0.40000000000000885
        + v2 * (0.2857142857079896 + v * 0.22222222392728944)
    )
    high = (
        0.18181795535066578
        + v * 0.15386245263272919
        + v2 * (0.13268627729250046 + v * 0.1308811533514945)
    )
    return z * (2.0 + v * (low + v2 * v2 * high))
