"""One scratch block solved in place: seven stages, then one by one the rows that left them.

The caller gathers the seven input columns of up to `BLOCK_ROWS` rows into the scratch, solves,
then reads the nine result columns. Rows beyond `rows` are padding: whatever numbers they hold
are computed with the rest and ignored. A row's results depend on nothing but its own inputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrich.kernels import status
from enrich.kernels.carry import carry_stage
from enrich.kernels.density import density_stage
from enrich.kernels.greeks import forward_rho_stage, greeks_stage, implied_vol_stage
from enrich.kernels.guess import guess_stage
from enrich.kernels.halley import halley_stage
from enrich.kernels.jit import compiled
from enrich.kernels.layout import (
    BLOCK_ROWS,
    CHARM,
    COLUMNS,
    DELTA,
    DIVIDEND_YIELD,
    GAMMA,
    IMPLIED_VOL,
    OK,
    OPTION_SIGN,
    PRICE,
    RATE,
    RESULTS,
    RHO,
    STRIKE,
    THETA,
    TIME_TO_EXPIRY,
    UNDERLYING,
    VANNA,
    VEGA,
    VOMMA,
    Columns,
    new_scratch,
)
from enrich.kernels.mills import mills_stage
from enrich.kernels.moneyness import moneyness_stage
from enrich.kernels.scalar import solve_row

__all__ = [
    "BLOCK_ROWS",
    "CHARM",
    "COLUMNS",
    "DELTA",
    "DIVIDEND_YIELD",
    "GAMMA",
    "IMPLIED_VOL",
    "OK",
    "OPTION_SIGN",
    "PRICE",
    "RATE",
    "RESULTS",
    "RHO",
    "STRIKE",
    "THETA",
    "TIME_TO_EXPIRY",
    "UNDERLYING",
    "VANNA",
    "VEGA",
    "VOMMA",
    "Columns",
    "new_scratch",
    "solve_block",
    "solve_block_vol",
]

_SOLVED = status.OK


@compiled
def step_stages(scratch: Columns) -> None:
    """Run the stages from the inputs to the step."""
    carry_stage(scratch)
    moneyness_stage(scratch)
    guess_stage(scratch)
    mills_stage(scratch)
    density_stage(scratch)
    halley_stage(scratch)


@compiled
def solve_rows(
    scratch: Columns, rows: int, status_out: NDArray[np.uint8], forward_mode: bool
) -> None:
    """Solve singly the rows that left the domain of the stages."""
    for row in range(rows):
        if scratch[row + OK] != 1.0:
            status_out[row] = solve_row(scratch, row, forward_mode)


@compiled
def write_status(scratch: Columns, rows: int, status_out: NDArray[np.uint8]) -> int:
    """Write OK for every row; return how many, padding included, the stages did not solve."""
    left = 0
    for row in range(BLOCK_ROWS):
        left += 1 if scratch[row + OK] != 1.0 else 0
    # Unsigned indices: the test for a negative one would keep the loop from vectorising.
    for row in range(np.uint64(rows)):
        status_out[row] = _SOLVED
    return left


@compiled
def solve_block(
    scratch: Columns, rows: int, status_out: NDArray[np.uint8], forward_mode: bool
) -> None:
    """Fill the nine result columns of `rows` rows, with a code of `status` per row.

    `scratch` comes from `new_scratch`; `status_out` has at least `rows` elements. Results are NaN
    exactly where the status is not OK. With `forward_mode` the underlying column holds the forward
    and the dividend yield column the rate; rho is then -T price / 100, because a quoted forward
    does not move with the rate. A missing price may be given as zero; NaN is BAD_INPUT.
    """
    step_stages(scratch)
    greeks_stage(scratch)
    forward_rho_stage(scratch, forward_mode)
    left = write_status(scratch, rows, status_out)
    solve_rows(scratch, rows if left > 0 else 0, status_out, forward_mode)


@compiled
def solve_block_vol(scratch: Columns, rows: int, status_out: NDArray[np.uint8]) -> None:
    """Fill the implied volatility column alone; otherwise as `solve_block`."""
    step_stages(scratch)
    implied_vol_stage(scratch)
    left = write_status(scratch, rows, status_out)
    solve_rows(scratch, rows if left > 0 else 0, status_out, forward_mode=False)
