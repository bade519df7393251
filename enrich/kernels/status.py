"""Why a row has no implied volatility, stated as one code per row."""

from __future__ import annotations

from typing import Final

import numpy as np

#: Solved: implied volatility with every Greek is a number.
OK: Final = np.uint8(0)
#: No price, or one that is not above zero.
NO_PRICE: Final = np.uint8(10)
#: The price is below intrinsic value by more than rounding.
BELOW_INTRINSIC: Final = np.uint8(11)
#: The price is intrinsic value to within rounding.
AT_INTRINSIC: Final = np.uint8(12)
#: A call at or above the underlying, a put at or above the strike (both discounted).
ABOVE_MAX: Final = np.uint8(13)
#: No time left.
EXPIRED: Final = np.uint8(20)
#: A number that is not finite or not in its range.
BAD_INPUT: Final = np.uint8(21)
#: The bracketed solver gave up; not seen on valid input.
NO_CONVERGENCE: Final = np.uint8(22)
#: No source for the forward yet.
NO_UNDERLYING: Final = np.uint8(30)
#: The instrument is no option, or not known.
NOT_AN_OPTION: Final = np.uint8(31)

#: The time value is below half a tick.
FLAG_SUB_TICK: Final = np.uint8(1)
#: The price is older than its limit.
FLAG_PRICE_STALE: Final = np.uint8(2)
#: The underlying is older than its limit.
FLAG_UNDERLYING_STALE: Final = np.uint8(4)
#: Volatility taken from the out-of-the-money option of the same strike.
FLAG_FROM_OTM_TWIN: Final = np.uint8(8)
#: One day of theta is more than the time value left.
FLAG_THETA_GT_TIME_VALUE: Final = np.uint8(16)
#: Bid with ask further apart than a mid price allows.
FLAG_WIDE_SPREAD: Final = np.uint8(32)
#: One tick of price moves volatility by more than a point.
FLAG_ILL_CONDITIONED: Final = np.uint8(64)
#: The last half hour of the expiry day.
FLAG_EXPIRY_WINDOW: Final = np.uint8(128)
