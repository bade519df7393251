"""Implied volatility over whole columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrich.kernels.block import solve_block, solve_block_vol
from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    COLUMNS,
    DIVIDEND_YIELD,
    IMPLIED_VOL,
    OPTION_SIGN,
    PRICE,
    RATE,
    STRIKE,
    TIME_TO_EXPIRY,
    UNDERLYING,
    Columns,
)


@inlined
def copy_in(scratch: Columns, column: int, source: Columns, start: int, rows: int) -> None:
    """Copy rows of one input into its scratch column."""
    # Unsigned indices: the test for a negative one would keep the loop from vectorising.
    to = np.uint64(column)
    origin = np.uint64(start)
    for row in range(np.uint64(rows)):
        scratch[to + row] = source[origin + row]


@inlined
def copy_out(target: Columns, start: int, scratch: Columns, rows: int) -> None:
    """Copy rows of the results into their outputs, shape (results, n)."""
    to = np.uint64(start)
    for result in range(np.uint64(target.shape[0])):
        origin = np.uint64(IMPLIED_VOL) + result * np.uint64(BLOCK_ROWS)
        for row in range(np.uint64(rows)):
            target[result, to + row] = scratch[origin + row]


@compiled
def implied_vol_and_greeks(
    price: Columns,
    underlying: Columns,
    strike: Columns,
    time_to_expiry: Columns,
    rate: Columns,
    dividend_yield: Columns,
    option_sign: Columns,
    greeks_out: Columns,
    status_out: NDArray[np.uint8],
) -> None:
    """Solve n rows of European options.

    Inputs have shape (n,): price, underlying and strike in rupees, time_to_expiry in years of 365
    days, continuous rate and dividend_yield per year, option_sign +1 for a call or -1 for a put.
    For an option on a forward give the forward as underlying, the rate as dividend_yield.

    `greeks_out` has shape (9, n), or fewer rows where fewer are wanted: implied volatility
    (decimal), delta and gamma per rupee of the underlying, theta per calendar day, vega per
    volatility point, rho per percent (dividend yield held fixed), vanna per point, vomma per point
    squared, charm per calendar day. They are NaN exactly where `status_out`, shape (n,), is not OK.

    Source: Black & Scholes (1973), Merton (1973), Black (1976); the stages carry their own.
    """
    scratch = np.ones(BLOCK_ROWS * COLUMNS)
    for start in range(0, price.shape[0], BLOCK_ROWS):
        rows = min(BLOCK_ROWS, price.shape[0] - start)
        copy_in(scratch, PRICE, price, start, rows)
        copy_in(scratch, UNDERLYING, underlying, start, rows)
        copy_in(scratch, STRIKE, strike, start, rows)
        copy_in(scratch, TIME_TO_EXPIRY, time_to_expiry, start, rows)
        copy_in(scratch, RATE, rate, start, rows)
        copy_in(scratch, DIVIDEND_YIELD, dividend_yield, start, rows)
        copy_in(scratch, OPTION_SIGN, option_sign, start, rows)
        solve_block(scratch, rows, status_out[start : start + rows], forward_mode=False)
        copy_out(greeks_out, start, scratch, rows)


@compiled
def implied_vol(
    price: Columns,
    underlying: Columns,
    strike: Columns,
    time_to_expiry: Columns,
    rate: Columns,
    dividend_yield: Columns,
    option_sign: Columns,
    implied_vol_out: Columns,
    status_out: NDArray[np.uint8],
) -> None:
    """Solve n rows for implied volatility alone, shape (n,); otherwise as the function above."""
    scratch = np.ones(BLOCK_ROWS * COLUMNS)
    for start in range(0, price.shape[0], BLOCK_ROWS):
        rows = min(BLOCK_ROWS, price.shape[0] - start)
        copy_in(scratch, PRICE, price, start, rows)
        copy_in(scratch, UNDERLYING, underlying, start, rows)
        copy_in(scratch, STRIKE, strike, start, rows)
        copy_in(scratch, TIME_TO_EXPIRY, time_to_expiry, start, rows)
        copy_in(scratch, RATE, rate, start, rows)
        copy_in(scratch, DIVIDEND_YIELD, dividend_yield, start, rows)
        copy_in(scratch, OPTION_SIGN, option_sign, start, rows)
        solve_block_vol(scratch, rows, status_out[start : start + rows])
        for row in range(np.uint64(rows)):
            implied_vol_out[np.uint64(start) + row] = scratch[np.uint64(IMPLIED_VOL) + row]
