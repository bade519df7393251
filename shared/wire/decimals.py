"""Prices of orders as integer paise, read from decimal text or JSON numbers without rounding."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

#: Digits before, and after, the point: beyond them a "price" is an attack on our memory.
DIGITS_MAX: Final = 12
PAISE_PER_RUPEE = 100
#: Ten million rupees a unit; above it a price is a typing mistake.
PRICE_PAISE_MAX = 1_000_000_000


def paise(price: Decimal | str) -> int:
    """Return integer paise of a price in rupees.

    Raises:
        ValueError: not a number, negative, above the maximum, or finer than one paisa.
    """
    try:
        exact = Decimal(price) * PAISE_PER_RUPEE
    except ArithmeticError as error:  # not a number, or an exponent beyond all reason
        raise ValueError(f"{price!r} is not a decimal number") from error
    if not exact.is_finite():
        raise ValueError(f"{price} is not a finite number")
    if exact != exact.to_integral_value():
        raise ValueError(f"{price} is finer than one paisa")
    if not 0 <= exact <= PRICE_PAISE_MAX:
        raise ValueError(f"{price} is outside 0 to {PRICE_PAISE_MAX // PAISE_PER_RUPEE} rupees")
    return int(exact)


def price_rule(price: Decimal) -> str:
    """Return the rule that the price of an order breaks, "" for none."""
    try:
        if paise(price) > 0:
            return ""
    except ValueError:
        if not price.is_finite():
            return "a number"
        if price > PRICE_PAISE_MAX // PAISE_PER_RUPEE:
            return f"at most {PRICE_PAISE_MAX // PAISE_PER_RUPEE}"
        if price > 0:
            return "a whole number of paise"
    return "above 0"


def rupees_text(amount_paise: int) -> str:
    """Return paise as decimal text in rupees, without a float on the way."""
    whole, cents = divmod(abs(amount_paise), PAISE_PER_RUPEE)
    sign = "-" if amount_paise < 0 else ""
    return f"{sign}{whole}.{cents:02d}" if cents else f"{sign}{whole}"


def is_sane(price: Decimal) -> bool:
    """Tell whether arithmetic on the price can neither raise nor grow."""
    if not price.is_finite():
        return False
    exponent = price.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS_MAX and price.adjusted() <= DIGITS_MAX
