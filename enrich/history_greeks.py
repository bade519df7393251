"""Greeks at the close of past option candles, off the future's or the underlying's own candle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import numpy as np

from enrich.history_plan import DAY_S, INTERVAL_S, IST, IST_OFFSET_S
from enrich.kernels import layout
from enrich.kernels.block import solve_block
from enrich.kernels.forward import (
    SOURCE_FUTURE,
    SOURCE_NONE,
    SOURCE_SPOT_CARRY,
    TRADED_NS_MIN,
    YEAR_NS,
)
from enrich.kernels.status import (
    EXPIRED,
    FLAG_EXPIRY_WINDOW,
    FLAG_ILL_CONDITIONED,
    FLAG_PRICE_STALE,
    FLAG_SUB_TICK,
    FLAG_THETA_GT_TIME_VALUE,
    NO_PRICE,
    NO_UNDERLYING,
    OK,
)
from enrich.parameters import Parameters
from enrich.trading_time import TRADING_DAYS, TradingSheet
from shared.market.calendar import date_of, packaged_calendar
from shared.store.candles import GREEKS, GREEKS_DTYPE

_SECOND_NS: Final = 1_000_000_000
_DAYS_RATIO: Final = 365.0 / TRADING_DAYS


@dataclass(frozen=True, slots=True)
class Option:
    """The terms of one option; `sign` +1 for a call, -1 for a put."""

    exchange: str
    strike: float
    sign: float
    expiry_ns: int
    tick_size: float
    #: Its underlying's name, for the rate that is that one's own.
    underlying: str = ""


@dataclass(frozen=True, slots=True)
class References:
    """Candles of the future of the same expiry and of the underlying, of CANDLE_DTYPE; or empty."""

    future: np.ndarray
    underlying: np.ndarray


def price(
    candles: np.ndarray,
    option: Option,
    references: References,
    interval: str,
    parameters: Parameters,
) -> np.ndarray:
    """Return a row per candle, shape (n,), of GREEKS_DTYPE; numbers are NaN unless status is OK.

    The forward is the close of the candle of the same moment: the future's, else the underlying's
    with carry. A reference whose candle of that moment is missing is none: nothing is carried over.
    """
    rows = np.zeros(len(candles), GREEKS_DTYPE)
    rows["begins_s"], rows["price"] = candles["begins_s"], candles["close"]
    rows["parameters_id"] = parameters.id
    remaining_ns = (
        option.expiry_ns - ends_s(candles["begins_s"], interval, option.exchange) * _SECOND_NS
    )
    rows["time_to_expiry"] = np.maximum(0.0, remaining_ns / YEAR_NS)
    _choose_forward(rows, references, parameters)
    _solve(rows, option, parameters.rate)
    if parameters.time_basis == "trading":
        _tell_in_trading_time(rows, option)
    _flag(rows, candles, option, remaining_ns, parameters)
    return rows


def ends_s(begins_s: np.ndarray, interval: str, exchange: str) -> np.ndarray:
    """Return when candles end, Unix seconds: none lasts longer than its day's session."""
    days, day_of = np.unique((begins_s + IST_OFFSET_S) // DAY_S, return_inverse=True)
    closes = np.array([_close_s(int(day), exchange) for day in days], dtype=np.int64)
    if interval == "day":
        return closes[day_of.ravel()] if len(closes) else begins_s
    ended = begins_s + INTERVAL_S[interval]
    return np.minimum(ended, closes[day_of.ravel()]) if len(closes) else ended


def _close_s(day: int, exchange: str) -> int:
    on = date.fromordinal(date(1970, 1, 1).toordinal() + day)
    return packaged_calendar().expiry_ns(exchange, on) // _SECOND_NS


def _choose_forward(rows: np.ndarray, references: References, parameters: Parameters) -> None:
    future = _close_at(references.future, rows["begins_s"])
    spot = _close_at(references.underlying, rows["begins_s"])
    carry = np.exp((parameters.rate - parameters.dividend_yield) * rows["time_to_expiry"])
    rows["forward"] = np.where(np.isnan(future), spot * carry, future)
    rows["forward_source"] = np.where(
        np.isnan(future), np.where(np.isnan(spot), SOURCE_NONE, SOURCE_SPOT_CARRY), SOURCE_FUTURE
    )


def _close_at(reference: np.ndarray, begins_s: np.ndarray) -> np.ndarray:
    """Return the closes of the candles that begin then, NaN where there is none above zero."""
    closes = np.full(len(begins_s), np.nan)
    if not len(reference):
        return closes
    found = np.minimum(np.searchsorted(reference["begins_s"], begins_s), len(reference) - 1)
    same = (reference["begins_s"][found] == begins_s) & (reference["close"][found] > 0.0)
    closes[same] = reference["close"][found][same]
    return closes


def _solve(rows: np.ndarray, option: Option, rate: float) -> None:
    known = ~np.isnan(rows["forward"])
    inputs = {
        layout.PRICE: rows["price"],
        layout.UNDERLYING: np.where(known, rows["forward"], 1.0),
        layout.STRIKE: np.full(len(rows), option.strike),
        layout.TIME_TO_EXPIRY: rows["time_to_expiry"],
        layout.RATE: np.full(len(rows), rate),
        layout.DIVIDEND_YIELD: np.full(len(rows), rate),  # on a forward it is the rate
        layout.OPTION_SIGN: np.full(len(rows), option.sign),
    }
    statuses, solved = _solved(inputs, len(rows))
    # What has expired has, whatever its underlying did.
    expired = rows["time_to_expiry"] <= 0.0
    statuses[expired] = EXPIRED
    statuses[~known & ~expired] = NO_UNDERLYING
    statuses[known & ~expired & ~(rows["price"] > 0.0)] = NO_PRICE
    rows["status"] = statuses
    for name, column in zip(GREEKS, solved, strict=True):
        rows[name] = np.where(statuses == OK, column, np.nan)


def _solved(inputs: dict[int, np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a status a row and the nine numbers, shape (9, n), block by block as live ticks are.

    The very function that live ticks go through: compiled already, the same to the last bit.
    """
    scratch, block = layout.new_scratch(), np.zeros(layout.BLOCK_ROWS, np.uint8)
    statuses, solved = np.zeros(size, np.uint8), np.full((len(GREEKS), size), np.nan)
    for start in range(0, size, layout.BLOCK_ROWS):
        rows = min(layout.BLOCK_ROWS, size - start)
        part = slice(start, start + rows)
        for column, values in inputs.items():
            scratch[column : column + rows] = values[part]
        solve_block(scratch, rows, block, True)  # noqa: FBT003  # by name it would compile again
        statuses[part] = block[:rows]
        for number in range(len(GREEKS)):
            at = layout.IMPLIED_VOL + number * layout.BLOCK_ROWS
            solved[number, part] = scratch[at : at + rows]
    return statuses, solved


def _tell_in_trading_time(rows: np.ndarray, option: Option) -> None:
    """Tell what was solved in calendar years by trading years, as live ticks are told."""
    years = rows["time_to_expiry"].copy()
    lives = years > 0.0
    if not lives.any():
        return
    at_ns = option.expiry_ns - np.round(years[lives] * YEAR_NS).astype(np.int64)
    calendar, last = packaged_calendar(), date_of(option.expiry_ns)
    sheet = TradingSheet(calendar, option.exchange, date_of(int(at_ns.min())), last)
    left_ns = sheet.traded_ns(np.array([option.expiry_ns])) - sheet.traded_ns(at_ns)
    rows["time_to_expiry"][lives] = np.maximum(left_ns, TRADED_NS_MIN) / sheet.year_ns(
        option.expiry_ns
    )
    ratio = np.ones(len(rows))
    ratio[lives] = years[lives] / rows["time_to_expiry"][lives]
    rows["implied_vol"] *= np.sqrt(ratio)
    rows["vega_per_vol_point"] /= np.sqrt(ratio)
    rows["vanna"] /= np.sqrt(ratio)
    rows["vomma"] /= ratio
    rows["theta_per_day"] *= ratio * _DAYS_RATIO
    rows["charm"] *= ratio * _DAYS_RATIO


def _flag(
    rows: np.ndarray,
    candles: np.ndarray,
    option: Option,
    remaining_ns: np.ndarray,
    parameters: Parameters,
) -> None:
    discount = np.exp(-parameters.rate * np.maximum(0.0, remaining_ns / YEAR_NS))
    gap = option.sign * (rows["forward"] - option.strike)
    time_value = rows["price"] - np.maximum(0.0, gap) * discount
    is_solved = rows["status"] == OK
    with np.errstate(invalid="ignore", divide="ignore"):
        told = (
            (FLAG_PRICE_STALE, candles["volume"] == 0),
            (
                FLAG_EXPIRY_WINDOW,
                (remaining_ns > 0) & (remaining_ns <= parameters.expiry_window_s * _SECOND_NS),
            ),
            (
                FLAG_SUB_TICK,
                is_solved & (time_value > 0.0) & (time_value < 0.5 * option.tick_size),
            ),
            (
                FLAG_THETA_GT_TIME_VALUE,
                is_solved & (np.abs(rows["theta_per_day"]) > time_value),
            ),
            (
                FLAG_ILL_CONDITIONED,
                is_solved & (option.tick_size / rows["vega_per_vol_point"] > 1.0),
            ),
        )
    for flag, where in told:
        rows["flags"] |= np.where(where, np.int16(flag), np.int16(0))


def parse_stamp_s(text: str) -> int:
    """Return the Unix seconds of a candle's stamp, such as 2017-12-15T09:15:00+0530."""
    stamp = datetime.fromisoformat(text)
    return int((stamp if stamp.tzinfo else stamp.replace(tzinfo=IST)).astimezone(UTC).timestamp())
