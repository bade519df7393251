"""The moment a contract expires: an exchange's closing time on a date, as dated facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache
from typing import Literal

IST = timezone(timedelta(hours=5, minutes=30), "IST")


@dataclass(frozen=True, slots=True)
class ExpiryTime:
    """Trading in contracts of `exchange` expiring from `valid_from` on ends at `at` IST."""

    exchange: str
    valid_from: date
    at: time
    source: str
    read_on: date
    confidence: Literal["high", "medium", "low"]


_READ = date(2026, 11, 22)
_OLD = "exchange trading hours, in force for years"
_CLOSING_AUCTION = "press digests of the closing-auction circulars, equity derivatives to 15:40"

#: Newest row per exchange whose valid_from is not after the expiry date applies.
EXPIRY_TIMES: tuple[ExpiryTime, ...] = (
    ExpiryTime("NFO", date(2000, 1, 1), time(15, 30), _OLD, _READ, "high"),
    ExpiryTime("NFO", date(2026, 8, 3), time(15, 40), _CLOSING_AUCTION, _READ, "medium"),
    ExpiryTime("BFO", date(2000, 1, 1), time(15, 30), _OLD, _READ, "high"),
    ExpiryTime("BFO", date(2026, 8, 3), time(15, 40), _CLOSING_AUCTION, _READ, "medium"),
    ExpiryTime("CDS", date(2000, 1, 1), time(12, 30), "NSE currency derivatives", _READ, "medium"),
    ExpiryTime("BCD", date(2000, 1, 1), time(12, 30), "BSE currency derivatives", _READ, "medium"),
    ExpiryTime("MCX", date(2000, 1, 1), time(23, 30), "MCX evening session", _READ, "low"),
    ExpiryTime(
        "NCO", date(2000, 1, 1), time(23, 30), "NSE commodity evening session", _READ, "low"
    ),
)


@cache
def expiry_ns(exchange: str, expiry: date) -> int:
    """Return the expiry moment in Unix nanoseconds, UTC.

    Raises:
        KeyError: no row for the exchange; a derivative of an unknown exchange cannot be priced.
    """
    rows = [row for row in EXPIRY_TIMES if row.exchange == exchange and row.valid_from <= expiry]
    if not rows:
        raise KeyError(exchange)
    newest = max(rows, key=lambda row: row.valid_from)
    moment = datetime.combine(expiry, newest.at, tzinfo=IST).astimezone(UTC)
    return round(moment.timestamp()) * 1_000_000_000
