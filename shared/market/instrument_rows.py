"""One row of an instruments dump judged by itself: its record, or the sentence that refuses it.

The rules of a row are here; `instrument_columns` only knows which rows need no judge.
"""

from __future__ import annotations

import math
from datetime import date

from shared.market.calendar import Calendar
from shared.market.underlyings import underlying_of
from shared.wire.instruments import Kind

#: One row in INSTRUMENT_DTYPE order.
Record = tuple[object, ...]

COLUMNS = 12
#: What an option's strike stays below; a typing mistake is above it.
STRIKE_MAX = 1e9
DERIVATIVES = {"FUT": Kind.FUTURE, "CE": Kind.CALL, "PE": Kind.PUT}
_EXPIRY_NS_MAX = 1 << 63


class Expiries(dict[tuple[str, date], int]):
    """Expiry moments by exchange and date, each asked of the calendar once."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def __missing__(self, key: tuple[str, date]) -> int:
        """Return the moment in Unix ns.

        Raises:
            KeyError: the exchange has no expiries.
            ValueError: the moment is none of Unix time.
        """
        moment_ns = self._calendar.expiry_ns(*key)
        if not 0 < moment_ns < _EXPIRY_NS_MAX:
            raise ValueError(f"expiry {key[1]} is not between 1970 and 2262")
        self[key] = moment_ns
        return moment_ns


def judged(row: list[str], expiries: Expiries) -> Record:
    """Return one row in INSTRUMENT_DTYPE order, underlying_token and shard still 0.

    Raises:
        ValueError, KeyError, OverflowError: what is wrong with it.
    """
    if len(row) != COLUMNS:
        raise ValueError(f"{len(row)} columns, not {COLUMNS}")
    token, exchange_token = _positive("instrument_token", row[0]), int(row[1])
    if token >> 8 != exchange_token:
        raise ValueError(
            f"instrument_token {token} is not exchange_token {exchange_token} * 256 + n"
        )
    symbol, name, exchange = row[2].strip(), row[3].strip(), row[11].strip()
    kind = DERIVATIVES.get(row[9])
    if kind is None:
        kind = Kind.INDEX if row[10] == "INDICES" else Kind.EQUITY
    derivative = kind >= Kind.FUTURE
    expiry = date.fromisoformat(row[5]) if derivative else None
    strike = _price("strike", row[6])
    if kind >= Kind.CALL and not 0 < strike < STRIKE_MAX:
        raise ValueError(f"strike {row[6]!r} of option {symbol} is not a positive price")
    return (
        token,
        0,
        strike if derivative else 0.0,
        _price("tick_size", row[7]),
        expiries[exchange, expiry] if expiry else 0,
        _positive("lot_size", row[8]) if int(row[8] or 0) else 0,
        expiry.year * 10_000 + expiry.month * 100 + expiry.day if expiry else 0,
        0,
        int(kind),
        0,
        _fitting("exchange", exchange, 8),
        _fitting("tradingsymbol", symbol, 36),
        _fitting("underlying", underlying_of(symbol, name, derivative=derivative), 24),
    )


def _positive(field: str, text: str) -> int:
    number = int(text)
    if not 0 < number < 1 << 32:
        raise ValueError(f"{field} {text} is not a 32-bit positive number")
    return number


def _price(field: str, text: str) -> float:
    number = float(text or 0)
    if not math.isfinite(number):
        raise ValueError(f"{field} {text!r} is not a price")
    return number


def _fitting(field: str, text: str, length_max: int) -> bytes:
    encoded = text.encode()
    if not 0 < len(encoded) <= length_max:
        raise ValueError(f"{field} {text!r} is not 1 to {length_max} bytes")
    return encoded
