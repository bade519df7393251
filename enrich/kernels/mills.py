"""Fourth stage: the Mills ratio with its difference, from one rational function."""

from __future__ import annotations

from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    DISTANCE,
    INVERSE_GUESS,
    LOG_MONEYNESS,
    MILLS,
    STEP,
    TOTAL_VOL,
    Columns,
)

#: M(z) = P(z) / Q(z) to 8.6e-17 (relative) between these; every coefficient is positive.
MILLS_MIN = -1.0
MILLS_MAX = 45.0


@inlined
def numerator(near: float, far: float) -> tuple[float, float]:
    """Return P(near), (P(far) - P(near)) / (far - near) from two interleaved Horner chains."""
    value = 2.873481485364917e-07
    slope = value
    value = value * near + 1.0031610077284106e-05
    slope = slope * far + value
    value = value * near + 0.00016825235573233877
    slope = slope * far + value
    value = value * near + 0.001776383072855927
    slope = slope * far + value
    value = value * near + 0.013034887303795983
    slope = slope * far + value
    value = value * near + 0.06937782114135027
    slope = slope * far + value
    value = value * near + 0.27142379406556555
    slope = slope * far + value
    value = value * near + 0.7729457188183977
    slope = slope * far + value
    value = value * near + 1.5427549981736632
    slope = slope * far + value
    value = value * near + 1.9711407469577178
    slope = slope * far + value
    value = value * near + 1.2533141373155001
    return value, slope


@inlined
def denominator(near: float, far: float) -> tuple[float, float]:
    """Return Q(near), (Q(far) - Q(near)) / (far - near) from two interleaved Horner chains."""
    value = 2.8734814853568195e-07
    slope = value
    value = value * near + 1.0031610077465528e-05
    slope = slope * far + value
    value = value * near + 0.00016853970386268048
    slope = slope * far + value
    value = value * near + 0.001786414684023206
    slope = slope * far + value
    value = value * near + 0.0132025649192339
    slope = slope * far + value
    value = value * near + 0.07113414227574308
    slope = slope * far + value
    value = value * near + 0.28412502192805994
    slope = slope * far + value
    value = value * near + 0.8388715750030009
    slope = slope * far + value
    value = value * near + 1.7897635971951633
    slope = slope * far + value
    value = value * near + 2.6224273401444846
    slope = slope * far + value
    value = value * near + 2.3706273299698566
    slope = slope * far + value
    value = value * near + 1.0
    return value, slope


@inlined
def mills_and_difference(near: float, far: float, distance: float) -> tuple[float, float]:
    """Return M(near), M(near) - M(far) with far = near + distance, both within [-1, 45].

    The divided differences give the second an absolute error of a few eps * distance at any
    distance, so that no series for a small one is needed. M(z) = (1 - N(z)) / n(z).

    Source: Mills (1926); that Black's value over its vega is a difference of Mills ratios is used
    by Jaeckel, Let's Be Rational (2013); the 10/11 rational was fitted for this project.
    """
    above, above_slope = numerator(near, far)
    below, below_slope = denominator(near, far)
    below_far = below + distance * below_slope
    inverse = 1.0 / (below * below_far)
    difference = distance * (above * below_slope - below * above_slope) * inverse
    return above * below_far * inverse, difference


@compiled
def mills_stage(scratch: Columns) -> None:
    """Write 1/s, |ln F/K| / s, M(z1), and M(z1) - M(z2) in the column of the step."""
    for row in range(BLOCK_ROWS):
        total_vol = scratch[row + TOTAL_VOL]
        inverse_guess = 1.0 / total_vol
        distance = scratch[row + LOG_MONEYNESS] * inverse_guess
        half = 0.5 * total_vol
        mills, difference = mills_and_difference(distance - half, distance + half, total_vol)
        scratch[row + INVERSE_GUESS] = inverse_guess
        scratch[row + DISTANCE] = distance
        scratch[row + MILLS] = mills
        scratch[row + STEP] = difference
