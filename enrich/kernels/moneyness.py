"""Second stage: log-moneyness with the normalised time value."""

from __future__ import annotations

import numpy as np

from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    FORWARD,
    FORWARD_GAP,
    GEOMETRIC_MEAN,
    INVERSE_MEAN,
    LOG_MONEYNESS,
    NORMALISED_GAP,
    OK,
    STRIKE,
    TIME_VALUE,
    Columns,
)
from enrich.kernels.logarithm import LN2, twice_atanh

#: Forward over strike (or the reverse) that the doubled logarithm covers.
RATIO_MAX = 5.65
#: Rupees. Below it the product of forward with strike could lose bits to underflow.
LEVEL_MIN = 1e-100


@inlined
def scaled_difference(high: float, low: float, gap: float) -> tuple[float, float, float]:
    """Return numerator n, denominator d, offset with ln(high / low) = 2 atanh(n / d) + offset.

    The smaller side is scaled by 1, 2 or 4, which keeps the quotient below 0.1716 up to a ratio
    of 5.65. Unscaled, the numerator is the exact gap: near the money this keeps relative accuracy,
    which the logarithm of a quotient loses.
    """
    numerator = gap
    denominator = high + low
    offset = 0.0
    beyond = high > 1.4142 * low
    numerator = high - 2.0 * low if beyond else numerator
    denominator = high + 2.0 * low if beyond else denominator
    offset = LN2 if beyond else offset
    beyond = high > 2.8284 * low
    numerator = high - 4.0 * low if beyond else numerator
    denominator = high + 4.0 * low if beyond else denominator
    offset = 2.0 * LN2 if beyond else offset
    return numerator, denominator, offset


@compiled
def moneyness_stage(scratch: Columns) -> None:
    """Write |ln F/K|, sqrt(F K), its inverse; normalise time value and gap by it.

    Source: Jaeckel, Let's Be Rational (2013): the normalised Black function.
    """
    for row in range(BLOCK_ROWS):
        forward = scratch[row + FORWARD]
        strike = scratch[row + STRIKE]
        gap = scratch[row + FORWARD_GAP]
        high = forward if gap > 0.0 else strike
        low = strike if gap > 0.0 else forward
        size = abs(gap)
        numerator, denominator, offset = scaled_difference(high, low, size)
        mean = np.sqrt(forward * strike)
        inverse = 1.0 / (mean * denominator)  # one division serves both quotients
        inverse_mean = inverse * denominator
        scratch[row + GEOMETRIC_MEAN] = mean
        scratch[row + INVERSE_MEAN] = inverse_mean
        scratch[row + TIME_VALUE] = scratch[row + TIME_VALUE] * inverse_mean
        scratch[row + NORMALISED_GAP] = size * inverse_mean
        scratch[row + LOG_MONEYNESS] = offset + twice_atanh(numerator * (mean * inverse))
        inside = (high < RATIO_MAX * low) & (low > LEVEL_MIN)
        scratch[row + OK] = scratch[row + OK] if inside else 0.0
