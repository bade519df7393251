"""Candles of a past that is made up on demand, the same one every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.sandbox.black76 import black_price
from deploy.sandbox.contracts import Contract, Kind
from deploy.sandbox.expiry_calendar import IST, is_trading_day
from deploy.sandbox.market import Market
from deploy.sandbox.pricing import PAISE_PER_RUPEE, RATE, to_ticks
from deploy.sandbox.smile import SECONDS_PER_YEAR, SmileShape, smile_vol
from deploy.sandbox.underlyings import ASSETS

Floats = npt.NDArray[np.float64]

SESSION_OPEN = time(9, 15)
SESSION_MINUTES = 385
MINUTE_S = 60
DAILY_SHARE_OF_VOL = 0.5
VOLUME_LOTS_MAX = 400
OPEN_INTEREST_LOTS = 12_000
#: Minutes per candle, days per request.
#: Source: kite.trade/docs/connect/v3/historical (read 2026-11).
INTERVALS: dict[str, tuple[int, int]] = {
    "minute": (1, 60),
    "3minute": (3, 100),
    "5minute": (5, 100),
    "10minute": (10, 100),
    "15minute": (15, 200),
    "30minute": (30, 200),
    "60minute": (60, 400),
    "day": (SESSION_MINUTES, 2000),
}


@dataclass(frozen=True, slots=True)
class Span:
    """What was asked for: both ends included, in Unix seconds; nothing begins after `now_s`."""

    start_s: int
    end_s: int
    minutes: int
    now_s: int = 2**40


@dataclass(frozen=True, slots=True)
class Minutes:
    """One day's minutes: the instant each begins, then the price before plus at its end."""

    start_s: npt.NDArray[np.int64]
    before: Floats
    after: Floats


def candles(market: Market, row: int, span: Span, seed: int, *, oi: bool) -> list[list[Any]]:
    """Return the candles of an instrument whose beginnings lie in the span, oldest first.

    Options are priced on their underlying's own path, at the beginning and the end of each minute.
    """
    found: list[list[Any]] = []
    for day in _days(span):
        minutes = _price_day(market, row, day, seed)
        if minutes is None:
            continue
        found.extend(_candles(market.listing.contracts[row], minutes, span, oi=oi))
    return found


def _days(span: Span) -> Iterator[date]:
    day = datetime.fromtimestamp(span.start_s, tz=UTC).astimezone(IST).date()
    last = datetime.fromtimestamp(span.end_s, tz=UTC).astimezone(IST).date()
    while day <= last:
        if is_trading_day(day):
            yield day
        day += timedelta(days=1)


def _price_day(market: Market, row: int, day: date, seed: int) -> Minutes | None:
    contract = market.listing.contracts[row]
    spot = _spot_day(market, contract.asset, day, seed)
    if contract.group < 0:
        return spot
    expiry_s = int(market.surface.expiry_s[contract.group])
    if int(spot.start_s[0]) >= expiry_s:
        return None
    before = _derive(market, contract, spot.before, (expiry_s - spot.start_s).astype(float))
    after = _derive(
        market, contract, spot.after, (expiry_s - spot.start_s - MINUTE_S).astype(float)
    )
    return Minutes(spot.start_s, before, after)


def _derive(market: Market, contract: Contract, spot: Floats, left_s: Floats) -> Floats:
    surface, group = market.surface, contract.group
    years = np.maximum(left_s, 0.0) / SECONDS_PER_YEAR
    forward = spot * np.exp(surface.carry[group] * years)
    if contract.kind is Kind.FUTURE:
        return np.asarray(forward, dtype=np.float64)
    shape = SmileShape(
        surface.shape.at_the_money[group], surface.shape.lean[group], surface.shape.wings[group]
    )
    strike = np.full_like(forward, contract.strike)
    vol = smile_vol(strike, forward, years, shape, 1.0)
    call, put = black_price(forward, strike, years, vol, RATE)
    return call if contract.kind is Kind.CALL else put


def _spot_day(market: Market, asset: int, day: date, seed: int) -> Minutes:
    random = np.random.default_rng([seed, asset, day.toordinal()])
    daily = ASSETS[asset].vol / np.sqrt(252.0)
    level = market.anchor(asset) * np.exp(daily * DAILY_SHARE_OF_VOL * random.standard_normal())
    steps = random.standard_normal(SESSION_MINUTES) * daily / np.sqrt(SESSION_MINUTES)
    path = level * np.exp(np.concatenate([[0.0], np.cumsum(steps)]))
    opening = int(datetime.combine(day, SESSION_OPEN, tzinfo=IST).timestamp())
    start_s = opening + MINUTE_S * np.arange(SESSION_MINUTES, dtype=np.int64)
    return Minutes(start_s, path[:-1], path[1:])


def _candles(contract: Contract, minutes: Minutes, span: Span, *, oi: bool) -> Iterator[list[Any]]:
    ticks = np.full(minutes.before.size, contract.tick_paise, dtype=np.int64)
    before = to_ticks(minutes.before, ticks) / PAISE_PER_RUPEE
    after = to_ticks(minutes.after, ticks) / PAISE_PER_RUPEE
    for first in range(0, minutes.start_s.size, span.minutes):
        stamp = _stamp(int(minutes.start_s[first]), span.minutes)
        if not span.start_s <= stamp.timestamp() <= min(span.end_s, span.now_s):
            continue
        part = slice(first, first + span.minutes)
        prices = np.concatenate([before[part], after[part]])
        passed = span.now_s - int(minutes.start_s[first])  # a candle still grows
        volume = contract.lot_size * (1 + int(minutes.start_s[first]) % VOLUME_LOTS_MAX)
        candle = [
            stamp.strftime("%Y-%m-%dT%H:%M:%S%z"),
            float(before[first]),
            float(prices.max()),
            float(prices.min()),
            float(after[part][-1]),
            volume * min(span.minutes, passed // MINUTE_S + 1),
        ]
        yield [*candle, contract.lot_size * OPEN_INTEREST_LOTS] if oi else candle


def _stamp(start_s: int, minutes: int) -> datetime:
    """Return what a candle is stamped with: its beginning, or midnight for a whole day."""
    stamp = datetime.fromtimestamp(start_s, tz=UTC).astimezone(IST)
    if minutes == SESSION_MINUTES:
        return datetime.combine(stamp.date(), time(), tzinfo=IST)
    return stamp
