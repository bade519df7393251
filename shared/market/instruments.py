"""Kite's daily instruments dump as checked, sorted records.

Source: kite.trade/docs/connect/v3/market-quotes, "Instruments" (columns as read 2026-11).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from shared.errors import MessageError
from shared.market.calendar import Calendar, packaged_calendar
from shared.market.instrument_columns import Columns
from shared.market.instrument_rows import Expiries, Record, judged
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,"
    "tick_size,lot_size,instrument_type,segment,exchange"
)
#: The whole market is about 100,000 rows; ten times that is not a dump.
ROWS_MAX = 1_000_000
#: Refused rows that are named one by one; the rest is counted.
REFUSALS_NAMED_MAX = 20
#: Bytes whose columns are made at once: little memory, and all of it near the processor.
BLOCK_BYTES = 1 << 19
#: Longer lines are none of Kite's; Python's reader of CSV takes no field beyond it either.
LINE_BYTES_MAX = 100_000


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
    expiries = Expiries(calendar or packaged_calendar())
    try:
        found = _by_columns(dump, expiries) or by_rows(dump, expiries)
    except UnicodeDecodeError as error:
        raise MessageError(f"instruments dump is not UTF-8: {error.reason}") from error
    except csv.Error as error:
        raise MessageError(f"instruments dump is no CSV: {error}") from error
    return assembled(found)


def by_rows(dump: bytes, expiries: Expiries) -> Instruments:
    """Return a dump's good rows in its own order, each judged by itself.

    Raises:
        MessageError, UnicodeDecodeError, csv.Error: not a dump at all.
    """
    lines = io.StringIO(dump.decode(), newline="")
    header = lines.readline().strip()
    if header != HEADER:
        raise MessageError(
            f"instruments dump: header is {header[:80]!r}, not Kite's twelve columns"
        )
    bench = _Bench(expiries)
    records = [
        record
        for line, row in enumerate(csv.reader(lines), start=2)
        if (record := bench.judge(line, row)) is not None
    ]
    return Instruments(np.array(records, INSTRUMENT_DTYPE), tuple(bench.refusals), bench.refused)


def _by_columns(dump: bytes, expiries: Expiries) -> Instruments | None:
    """Return the same as `by_rows`; None where lines are not rows, so that it has to say."""
    if not dump.isascii():
        dump.decode()
    header, _, body = dump.replace(b"\r\n", b"\n").partition(b"\n")
    if header != HEADER.encode() or b"\r" in body or body.count(b"\n") + 1 >= ROWS_MAX:
        return None
    bench = _Bench(expiries)
    found, line = [np.empty(0, INSTRUMENT_DTYPE)], 2
    for block in _blocks(body):
        columns = Columns(block)
        if (columns.breaks - columns.starts).max() > LINE_BYTES_MAX:
            return None
        records, good = columns.records(expiries)
        for at in np.flatnonzero(~good).tolist():
            row = _only_row(block[columns.starts[at] : columns.breaks[at]])
            if row is None:
                return None
            record = bench.judge(line + at, row)
            if record is not None:
                records[at], good[at] = record, True
        line += len(good)
        found.append(records if good.all() else records[good])
    return Instruments(np.concatenate(found), tuple(bench.refusals), bench.refused)


def _blocks(body: bytes) -> Iterator[bytes]:
    """Yield whole lines, about `BLOCK_BYTES` of them, the last with a newline, too."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + BLOCK_BYTES) + 1 or len(body)
        block = body[start:end]
        yield block if block.endswith(b"\n") else block + b"\n"
        start = end


def _only_row(line: bytes) -> list[str] | None:
    """Return the row that a line is; None if a quote is open at its end, so that it goes on."""
    rows = list(csv.reader((line.decode() + "\n", "\n")))
    return rows[0] if len(rows) > 1 else None


class _Bench:
    """Where rows are judged: knows how many were refused, and why."""

    def __init__(self, expiries: Expiries) -> None:
        self._expiries = expiries
        self.refused = 0
        self.refusals: list[Refusal] = []

    def judge(self, line: int, row: list[str]) -> Record | None:
        """Return the record of a row, None for a refused or an empty one."""
        if line > ROWS_MAX:
            raise MessageError(f"instruments dump has over {ROWS_MAX} rows")
        if not row:
            return None
        try:
            return judged(row, self._expiries)
        except (ValueError, KeyError, OverflowError) as error:
            self.refused += 1
            if len(self.refusals) < REFUSALS_NAMED_MAX:
                self.refusals.append(Refusal(line, f"line {line}: {error}"))
        return None


def assembled(found: Instruments) -> Instruments:
    """Return rows in a dump's own order sorted by token, each with its underlying's token.

    Raises:
        MessageError: there are none.
    """
    records = found.records
    if not len(records):
        raise MessageError(f"instruments dump: no good row, {found.refused_count} refused")
    tokens = records["instrument_token"]
    if not (tokens[1:] > tokens[:-1]).all():
        # Of rows with the same token the first stays.
        _, first = np.unique(tokens, return_index=True)
        records = records[first]
    records["underlying_token"] = _underlying_tokens(records)
    return replace(found, records=records)


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
