"""The moment a contract expires, by the packaged calendar."""

from __future__ import annotations

from datetime import date
from functools import cache

from shared.market.calendar import packaged_calendar
from shared.market.calendar_rows import IST

__all__ = ["IST", "expiry_ns"]


@cache
def expiry_ns(exchange: str, expiry: date) -> int:
    """Return the expiry moment in Unix nanoseconds, UTC.

    Raises:
        KeyError: no row for the exchange; a derivative of an unknown exchange cannot be priced.
    """
    return packaged_calendar().expiry_ns(exchange, expiry)
