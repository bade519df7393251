"""The most units that one order of a derivative may have before the exchange refuses it."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple


class Freeze(NamedTuple):
    """A freeze quantity in units, with who says so and when that was."""

    quantity: int
    source: str
    read_on: date


_SOURCE: Final = "NSE circulars on quantity freeze limits, as of September 2025"
_READ_ON: Final = date(2026, 11, 22)
#: By exchange and underlying. What is not listed here is not judged: the exchange is.
FREEZE: Final = {
    ("NFO", underlying): Freeze(quantity, _SOURCE, _READ_ON)
    for underlying, quantity in (
        ("NIFTY", 1800),
        # 600 in July 2025: the lower figure holds in a doubt.
        ("BANKNIFTY", 600),
        ("FINNIFTY", 1800),
        ("MIDCPNIFTY", 2800),
        ("NIFTYNXT50", 600),
    )
}


def freeze_quantity(exchange: str, underlying: str) -> int:
    """Return the freeze quantity in units, 0 where none is known."""
    known = FREEZE.get((exchange, underlying))
    return known.quantity if known else 0
