"""Fifth stage: the normal density, the only exponential of a row besides its growth factors."""

from __future__ import annotations

from enrich.kernels.exponential import exp_bounded
from enrich.kernels.jit import compiled
from enrich.kernels.layout import BLOCK_ROWS, DENSITY, DISTANCE, TOTAL_VOL, Columns

INVERSE_SQRT_2PI = 0.3989422804014327


@compiled
def density_stage(scratch: Columns) -> None:
    """Write exp(-(h^2 + t^2) / 2) / sqrt(2 pi) with h the distance, t half the total volatility.

    It equals n(d1) sqrt(F / K), so Black's vega over sqrt(F K): no factor is left to form.
    """
    for row in range(BLOCK_ROWS):
        distance = scratch[row + DISTANCE]
        half = 0.5 * scratch[row + TOTAL_VOL]
        exponent = -0.5 * (distance * distance + half * half)
        scratch[row + DENSITY] = INVERSE_SQRT_2PI * exp_bounded(exponent)
