"""First stage: the forward with the time value, free of cancellation."""

from __future__ import annotations

from enrich.kernels.exponential import expm1_small
from enrich.kernels.jit import compiled, inlined
from enrich.kernels.layout import (
    BLOCK_ROWS,
    CARRY_GROWTH,
    DIVIDEND_YIELD,
    FORWARD,
    FORWARD_GAP,
    OK,
    OPTION_SIGN,
    PRICE,
    RATE,
    RATE_GROWTH,
    STRIKE,
    TIME_TO_EXPIRY,
    TIME_VALUE,
    UNDERLYING,
    Columns,
)

#: Years. Outside it a row is solved singly, so that no product of a stage leaves the doubles.
TIME_MIN = 1e-12
TIME_MAX = 1e4
#: Largest |expm1| of a rate over the life of the option that the polynomial covers.
GROWTH_MAX = 0.35


@inlined
def time_value_and_gap(
    price: float,
    underlying: float,
    strike: float,
    option_sign: float,
    carry_growth: float,
    rate_growth: float,
) -> tuple[float, float]:
    """Return the undiscounted out-of-the-money value of the row with F - K.

    An in-the-money row becomes its twin by put-call parity. F - K is (U - K) + U expm1((r - q) T):
    forming F first and then subtracting would cost eps F / time value, the three digits that
    separate this from a textbook solver.

    Source: Black (1976); put-call parity.
    """
    spot_gap = underlying - strike
    carry = underlying * carry_growth
    gap = spot_gap + carry
    interest = price * rate_growth
    twin = (price - option_sign * spot_gap) + (interest - option_sign * carry)
    return (twin if option_sign * gap > 0.0 else price + interest), gap


@compiled
def carry_stage(scratch: Columns) -> None:
    """Write growth factors, forward, F - K, time value; OK where rates and time are in range."""
    for row in range(BLOCK_ROWS):
        underlying = scratch[row + UNDERLYING]
        time_to_expiry = scratch[row + TIME_TO_EXPIRY]
        rate = scratch[row + RATE]
        option_sign = scratch[row + OPTION_SIGN]
        carry_growth = expm1_small((rate - scratch[row + DIVIDEND_YIELD]) * time_to_expiry)
        rate_growth = expm1_small(rate * time_to_expiry)
        value, gap = time_value_and_gap(
            scratch[row + PRICE],
            underlying,
            scratch[row + STRIKE],
            option_sign,
            carry_growth,
            rate_growth,
        )
        scratch[row + CARRY_GROWTH] = carry_growth
        scratch[row + RATE_GROWTH] = rate_growth
        scratch[row + FORWARD] = underlying + underlying * carry_growth
        scratch[row + FORWARD_GAP] = gap
        scratch[row + TIME_VALUE] = value
        inside = (
            (time_to_expiry > TIME_MIN)
            & (time_to_expiry < TIME_MAX)
            & (abs(carry_growth) < GROWTH_MAX)
            & (abs(rate_growth) < GROWTH_MAX)
            & (abs(option_sign) == 1.0)
        )
        scratch[row + OK] = 1.0 if inside else 0.0
