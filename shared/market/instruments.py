"""Kite's daily instruments dump as checked, sorted records.

Source: kite.trade/docs/connect/v3/market-quotes, "Instruments" (columns as read 2026-11).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from shared.errors import MessageError
from shared.market.calendar import Calendar, packaged_calendar
from shared.market.underlyings import underlying_of
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,"
    "tick_size,lot_size,instrument_type,segment,exchange"
)
#: The whole market is about 100,000 rows; ten times that is not a dump.
ROWS_MAX = 1_000_000
#: Refused rows that are named one by one; the rest is counted.
REFUSALS_NAMED_MAX = 20

_DERIVATIVES = {"FUT": Kind.FUTURE, "CE": Kind.CALL, "PE": Kind.PUT}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was left out: line number from 1, and why."""

    line: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Instruments:
    """The good rows of a dump, sorted by instrument_token, shard still 0 for every row."""

    records: np.ndarray
    refused: tuple[Refusal, ...]
    refused_count: int


def parse(dump: bytes, calendar: Calendar | None = None) -> Instruments:
    """Return the instruments of a CSV dump; contracts expire by `calendar`, else the packaged one.

    Raises:
        MessageError: not a dump at all: wrong header, not UTF-8, too many rows, or no good row.
    """
    try:
        text = dump.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"instruments dump is not UTF-8: {error.reason}") from error
    lines = io.StringIO(text, newline="")
    header = lines.readline().strip()
    if header != HEADER:
        raise MessageError(
            f"instruments dump: header is {header[:80]!r}, not Kite's twelve columns"
        )
    expiries = Expiries(calendar or packaged_calendar())
    rows: list[tuple[object, ...]] = []
    refusals: list[Refusal] = []
    refused = 0
    for line, row in _numbered(csv.reader(lines)):
        try:
            rows.append(_record(row, expiries))
        except (ValueError, KeyError, OverflowError) as error:
            refused += 1
            if len(refusals) < REFUSALS_NAMED_MAX:
                refusals.append(Refusal(line, f"line {line}: {error}"))
    if not rows:
        raise MessageError(f"instruments dump: no good row, {refused} refused")
    return Instruments(_assemble(rows), tuple(refusals), refused)


def _numbered(rows: Iterator[list[str]]) -> Iterable[tuple[int, list[str]]]:
    for line, row in enumerate(rows, start=2):
        if line > ROWS_MAX:
            raise MessageError(f"instruments dump has over {ROWS_MAX} rows")
        if row:
            yield line, row


class Expiries(dict[tuple[str, date], int]):
    """Expiry moments by exchange and date, each asked of the calendar once."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def __missing__(self, key: tuple[str, date]) -> int:
        """Return the moment in Unix ns; raises KeyError for an exchange without expiries."""
        self[key] = self._calendar.expiry_ns(*key)
        return self[key]


def _record(row: list[str], expiries: Expiries) -> tuple[object, ...]:
    """Return one row in INSTRUMENT_DTYPE order, underlying_token and shard still 0."""
    if len(row) != 12:  # noqa: PLR2004  # Kite's twelve columns
        raise ValueError(f"{len(row)} columns, not 12")
    token, exchange_token = _positive("instrument_token", row[0]), int(row[1])
    if token >> 8 != exchange_token:
        raise ValueError(
            f"instrument_token {token} is not exchange_token {exchange_token} * 256 + n"
        )
    symbol, name, exchange = row[2].strip(), row[3].strip(), row[11].strip()
    kind = _DERIVATIVES.get(row[9])
    if kind is None:
        kind = Kind.INDEX if row[10] == "INDICES" else Kind.EQUITY
    derivative = kind >= Kind.FUTURE
    expiry = date.fromisoformat(row[5]) if derivative else None
    strike = float(row[6] or 0)
    if kind >= Kind.CALL and not 0 < strike < 1e9:  # noqa: PLR2004  # a typing mistake above it
        raise ValueError(f"strike {row[6]!r} of option {symbol} is not a positive price")
    return (
        token,
        0,
        strike if derivative else 0.0,
        float(row[7] or 0),
        expiries[exchange, expiry] if expiry else 0,
        int(row[8] or 0),
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


def _fitting(field: str, text: str, length_max: int) -> bytes:
    encoded = text.encode()
    if not 0 < len(encoded) <= length_max:
        raise ValueError(f"{field} {text!r} is not 1 to {length_max} bytes")
    return encoded


def _assemble(rows: list[tuple[object, ...]]) -> np.ndarray:
    records = np.array(rows, dtype=INSTRUMENT_DTYPE)
    records = records[np.argsort(records["instrument_token"], kind="stable")]
    tokens = records["instrument_token"]
    first = np.concatenate(([True], tokens[1:] != tokens[:-1]))
    records = records[first]
    records["underlying_token"] = _underlying_tokens(records)
    return records


def _underlying_tokens(records: np.ndarray) -> np.ndarray:
    """Return each row's underlying token: the index of that name, else NSE's share, else BSE's."""
    by_name: dict[bytes, int] = {}
    for exchange, kind in ((b"BSE", Kind.EQUITY), (b"NSE", Kind.EQUITY), (None, Kind.INDEX)):
        chosen = records["kind"] == kind
        if exchange is not None:
            chosen &= records["exchange"] == exchange
        rows = records[chosen]
        by_name.update(
            zip(rows["underlying"].tolist(), rows["instrument_token"].tolist(), strict=True)
        )
    names, inverse = np.unique(records["underlying"], return_inverse=True)
    tokens = np.array([by_name.get(name, 0) for name in names.tolist()], dtype=np.uint32)
    result: np.ndarray = tokens[inverse]
    return result
