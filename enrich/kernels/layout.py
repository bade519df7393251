"""The columns of one scratch block.

The scratch is one float64 array of `BLOCK_ROWS * COLUMNS` elements (16 KiB: half a first-level
cache). Column c of row i is `scratch[c + i]` with c one of the offsets below. Whoever solves a
block fills the seven inputs, which no stage changes, then reads the nine results.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.float64]

BLOCK_ROWS: Final = 64
COLUMNS: Final = 32

# Inputs: rupees, years, continuous rates per year, +1 for a call or -1 for a put.
PRICE: Final = 0 * BLOCK_ROWS
UNDERLYING: Final = 1 * BLOCK_ROWS
STRIKE: Final = 2 * BLOCK_ROWS
TIME_TO_EXPIRY: Final = 3 * BLOCK_ROWS
RATE: Final = 4 * BLOCK_ROWS
DIVIDEND_YIELD: Final = 5 * BLOCK_ROWS
OPTION_SIGN: Final = 6 * BLOCK_ROWS

# Results, in the order of `greeks_out`: units are those of `columns.implied_vol_and_greeks`.
IMPLIED_VOL: Final = 7 * BLOCK_ROWS
DELTA: Final = 8 * BLOCK_ROWS
GAMMA: Final = 9 * BLOCK_ROWS
THETA: Final = 10 * BLOCK_ROWS
VEGA: Final = 11 * BLOCK_ROWS
RHO: Final = 12 * BLOCK_ROWS
VANNA: Final = 13 * BLOCK_ROWS
VOMMA: Final = 14 * BLOCK_ROWS
CHARM: Final = 15 * BLOCK_ROWS
RESULTS: Final = 9

#: 1.0 where the row is inside the domain of the stages, 0.0 where the scalar solver takes over.
OK: Final = 16 * BLOCK_ROWS

# What one stage leaves for the next.
CARRY_GROWTH: Final = 17 * BLOCK_ROWS  # expm1((r - q) T)
RATE_GROWTH: Final = 18 * BLOCK_ROWS  # expm1(r T)
FORWARD: Final = 19 * BLOCK_ROWS
FORWARD_GAP: Final = 20 * BLOCK_ROWS  # F - K, without cancellation
TIME_VALUE: Final = 21 * BLOCK_ROWS  # undiscounted; from the second stage on, over sqrt(F K)
GEOMETRIC_MEAN: Final = 22 * BLOCK_ROWS  # sqrt(F K)
INVERSE_MEAN: Final = 23 * BLOCK_ROWS
NORMALISED_GAP: Final = 24 * BLOCK_ROWS  # |F - K| / sqrt(F K)
LOG_MONEYNESS: Final = 25 * BLOCK_ROWS  # |ln F/K|
TOTAL_VOL: Final = 26 * BLOCK_ROWS  # sigma sqrt(T): the guess s, which the step corrects
DISTANCE: Final = 27 * BLOCK_ROWS  # |ln F/K| / s
MILLS: Final = 28 * BLOCK_ROWS  # M(z1), z1 = DISTANCE - s/2
DENSITY: Final = 29 * BLOCK_ROWS  # exp(-(DISTANCE^2 + s^2/4) / 2) / sqrt(2 pi)
STEP: Final = 30 * BLOCK_ROWS  # solution minus guess; before the step, M(z1) - M(z2)
INVERSE_GUESS: Final = 31 * BLOCK_ROWS  # 1 / s


def new_scratch() -> Columns:
    """Return a scratch block, shape (BLOCK_ROWS * COLUMNS,), whose padding rows are harmless."""
    return np.ones(BLOCK_ROWS * COLUMNS)
