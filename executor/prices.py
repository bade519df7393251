"""Whether a decimal from outside is one that can be computed with."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

#: Digits before, and after, the point: beyond them a "price" is an attack on our memory.
DIGITS_MAX: Final = 12


def is_sane(price: Decimal) -> bool:
    """Tell whether arithmetic on the price can neither raise nor grow."""
    if not price.is_finite():
        return False
    exponent = price.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS_MAX and price.adjusted() <= DIGITS_MAX
