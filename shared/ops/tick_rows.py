"""Ticks as lines of text and as JSON values."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from shared.wire.ticks import TICK, Status

Records = np.ndarray[Any, np.dtype[np.void]]

INDIA: Final = ZoneInfo("Asia/Kolkata")
_NS_PER_US = 1000
_NS = 1_000_000_000
_PERCENT = 100.0
_STAMP = "received_at_ns"
#: A 32-bit float has seven digits; the rest of its decimal form is noise.
_SINGLE_DIGITS = 7

_LTP = ("instrument_token", "last_price", "exchange_timestamp_s", "mode", "tick_flags")
_QUOTE = (
    *("average_price", "open", "high", "low", "close", "last_traded_quantity", "volume_traded"),
    *("total_buy_quantity", "total_sell_quantity", "oi", "mid_price", "spread"),
)
_GREEKS = (
    *("underlying_token", "status", "flags", "price_source", "forward_source", "forward_age_ms"),
    *("price", "underlying_price", "forward", "time_to_expiry", "implied_vol", "mid_price"),
    *("delta", "gamma", "theta_per_day", "vega_per_vol_point", "rho_per_percent"),
    *("vanna", "vomma", "charm", "intrinsic_value", "time_value", "iv_tick", "lot_size", "oi"),
)
#: Fields of a JSON tick by mode, named as in the layout.
MODE_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ltp": _LTP,
    "quote": _LTP + _QUOTE,
    "greeks": _LTP + _GREEKS,
    "full": tuple(field.name for field in TICK.fields if field.name != _STAMP),
}
_SINGLES: Final = frozenset(field.name for field in TICK.fields if field.kind == "<f4")


class Column(NamedTuple):
    """One column of text: a field's level 0, how wide, how many decimals, by which factor."""

    heading: str
    field: str
    width: int
    decimals: int
    factor: float = 1.0


_PRICE = Column("last", "last_price", 11, 2)
_BID, _ASK = Column("bid", "bid_price", 11, 2), Column("ask", "ask_price", 11, 2)
_OI = Column("oi", "oi", 11, 0)
_GREEK_COLUMNS = (
    Column("iv %", "implied_vol", 7, 2, _PERCENT),
    Column("delta", "delta", 7, 3),
    Column("gamma", "gamma", 9, 6),
    Column("theta/d", "theta_per_day", 9, 2),
    Column("vega", "vega_per_vol_point", 8, 2),
)
COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "ltp": (_PRICE,),
    "quote": (_PRICE, _BID, _ASK, Column("volume", "volume_traded", 13, 0), _OI),
    "greeks": (_PRICE, _BID, _ASK, *_GREEK_COLUMNS, _OI),
    "full": (
        *(_PRICE, _BID, _ASK, Column("volume", "volume_traded", 13, 0), _OI),
        *(Column("under", "underlying_price", 11, 2), Column("forward", "forward", 11, 2)),
        *_GREEK_COLUMNS,
    ),
}
_TIME_WIDTH, _SYMBOL_WIDTH = 15, 24


def heading(mode: str) -> str:
    """Return the line above the ticks."""
    cells = [column.heading.rjust(column.width) for column in COLUMNS[mode]]
    return " ".join(["time".ljust(_TIME_WIDTH), "symbol".ljust(_SYMBOL_WIDTH), *cells, "status"])


def line(record: np.void, symbol: str, mode: str) -> str:
    """Return a tick as a line of text under `heading`, its time of arrival in India."""
    cells = [_cell(record, column) for column in COLUMNS[mode]]
    name = symbol or str(record["instrument_token"])
    row = [clock_text(int(record[_STAMP])), name.ljust(_SYMBOL_WIDTH), *cells]
    return " ".join([*row, status_name(int(record["status"]))])


def as_json(record: np.void, symbol: str, mode: str) -> dict[str, Any]:
    """Return a tick as a JSON value: `received_at_us`, the mode's fields, NaN for missing."""
    picked = {name: plain(record, name) for name in MODE_FIELDS[mode]}
    received_at_us = int(record[_STAMP]) // _NS_PER_US
    return {"tradingsymbol": symbol, "received_at_us": received_at_us, **picked}


def plain(record: np.void, name: str) -> Any:
    """Return a field as a Python value, a 32-bit float without its noise."""
    value = record[name].tolist()
    return float(f"{value:.{_SINGLE_DIGITS}g}") if name in _SINGLES else value


def number(value: float, decimals: int) -> str:
    """Return a number as people read it; a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:,.{decimals}f}"


def clock_text(at_ns: int) -> str:
    """Return 09:15:00.123456 in India of a Unix time in nanoseconds."""
    seconds, rest_ns = divmod(at_ns, _NS)
    moment = dt.datetime.fromtimestamp(seconds, tz=INDIA)
    return f"{moment:%H:%M:%S}.{rest_ns // _NS_PER_US:06d}"


def date_text(at_ns: int) -> str:
    """Return the date in India as 2026-11-30."""
    return f"{dt.datetime.fromtimestamp(at_ns // _NS, tz=INDIA):%Y-%m-%d}"


def date_number(at_ns: int) -> int:
    """Return the date in India as the number yyyymmdd."""
    return int(f"{dt.datetime.fromtimestamp(at_ns // _NS, tz=INDIA):%Y%m%d}")


def status_name(code: int) -> str:
    """Return the name of a row's status; a newer writer may know more of them."""
    return Status(code).name if code in Status.__members__.values() else str(code)


def rows_of(records: Records, tokens: Sequence[int]) -> Records:
    """Return the records of these instruments, all where none is named."""
    if not len(tokens):
        return records
    chosen: Records = records[np.isin(records["instrument_token"], tokens)]
    return chosen


def _cell(record: np.void, column: Column) -> str:
    value = record[column.field]
    # Of a five-level field the best level.
    first = float(value[0] if np.ndim(value) else value)
    return number(first * column.factor, column.decimals).rjust(column.width)
