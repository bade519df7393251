"""The market of the load: known volatilities, hence known answers, behind Kite's own packets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import NormalDist

import numpy as np

from shared.market.expiry import expiry_ns
from shared.market.instruments import HEADER

RATE, DIVIDEND_YIELD = 0.054, 0.012
UNDERLYINGS = 12
STRIKES = 62
TICK_RUPEES = 0.05
SPOT = 24_000.0
STEP = 100.0
_NORMAL = NormalDist()
_INDEX_SEGMENT, _OPTION_SEGMENT = 9, 2

FULL = np.dtype(
    [
        ("length", ">u2"),
        ("token", ">u4"),
        ("last_price", ">u4"),
        ("last_traded_quantity", ">u4"),
        ("average_price", ">u4"),
        ("volume_traded", ">u4"),
        ("total_buy_quantity", ">u4"),
        ("total_sell_quantity", ">u4"),
        ("open", ">u4"),
        ("high", ">u4"),
        ("low", ">u4"),
        ("close", ">u4"),
        ("last_trade_time", ">u4"),
        ("oi", ">u4", (3,)),
        ("exchange_timestamp", ">u4"),
        (
            "depth",
            [("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("pad", ">u2")],
            (10,),
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Contract:
    """One line of the dump with what the load knows about it; `vol` 0 for anything but options."""

    token: int
    symbol: str
    name: str
    kind: str
    expiry: date | None
    strike: float
    price: float
    vol: float


def contracts(now_s: int) -> list[Contract]:
    """Return the tradable contracts, prices as of `now_s` (Unix seconds), not rounded."""
    today = datetime.fromtimestamp(now_s, UTC).date()
    expiries = (today + timedelta(days=8), today + timedelta(days=36))
    listed: list[Contract] = []
    for number in range(UNDERLYINGS):
        name = f"LOAD{number:02d}"
        for expiry in expiries:
            listed += _of_expiry(name, expiry, now_s, 40_000 + len(listed))
    return listed


def indices() -> list[Contract]:
    """Return the underlyings, which the dump lists but the load quotes as index packets."""
    return [
        Contract(
            (1_000 + n) * 256 + _INDEX_SEGMENT,
            f"LOAD{n:02d}",
            f"LOAD{n:02d}",
            "EQ",
            None,
            0.0,
            SPOT,
            0.0,
        )
        for n in range(UNDERLYINGS)
    ]


def _of_expiry(name: str, expiry: date, now_s: int, first: int) -> list[Contract]:
    years = (expiry_ns("NFO", expiry) / 1e9 - now_s) / (365.0 * 86_400.0)
    forward = SPOT * math.exp((RATE - DIVIDEND_YIELD) * years)
    token = first * 256 + _OPTION_SEGMENT
    stamp = expiry.strftime("%y%b%d").upper()
    listed = [Contract(token, f"{name}{stamp}FUT", name, "FUT", expiry, 0.0, forward, 0.0)]
    for rung in range(STRIKES):
        strike = SPOT + (rung - STRIKES // 2) * STEP
        vol = 0.14 + 1.2 * math.log(strike / forward) ** 2
        for kind in ("CE", "PE"):
            token += 256
            price = black76(forward, strike, vol, years, call=kind == "CE")
            symbol = f"{name}{stamp}{strike:.0f}{kind}"
            listed.append(Contract(token, symbol, name, kind, expiry, strike, price, vol))
    return listed


def black76(forward: float, strike: float, vol: float, years: float, *, call: bool) -> float:
    """Return the price in rupees. Source: Black (1976)."""
    total = vol * math.sqrt(years)
    d1 = math.log(forward / strike) / total + total / 2
    sign = 1.0 if call else -1.0
    forward_part = forward * _NORMAL.cdf(sign * d1)
    strike_part = strike * _NORMAL.cdf(sign * (d1 - total))
    return math.exp(-RATE * years) * sign * (forward_part - strike_part)


def dump(listed: list[Contract]) -> bytes:
    """Return the contracts as Kite's instruments CSV."""
    lines = [HEADER]
    for c in listed:
        tail = {"FUT": "NFO-FUT,NFO", "EQ": "INDICES,NSE"}.get(c.kind, "NFO-OPT,NFO")
        lot, tick = (0, 0) if c.kind == "EQ" else (65, TICK_RUPEES)
        lines.append(
            f"{c.token},{c.token >> 8},{c.symbol},{c.name},0,{c.expiry or ''},"
            f"{c.strike},{tick},{lot},{c.kind},{tail}"
        )
    return ("\n".join(lines) + "\n").encode()


def packets(listed: list[Contract], now_s: int) -> np.ndarray:
    """Return one full packet per contract, length prefix included, shape (n,), of FULL."""
    rows = np.zeros(len(listed), dtype=FULL)
    paise = np.array([max(5, round(c.price / TICK_RUPEES) * 5) for c in listed])
    rows["length"] = FULL.itemsize - 2
    rows["token"] = [c.token for c in listed]
    for name in ("last_price", "average_price", "open", "high", "low", "close"):
        rows[name] = paise
    rows["last_traded_quantity"] = 65
    rows["last_trade_time"] = rows["exchange_timestamp"] = now_s
    rows["oi"] = 1_000_000
    for level in range(5):
        rows["depth"]["price"][:, level] = np.maximum(paise - 5 * (level + 1), 0)
        rows["depth"]["price"][:, 5 + level] = paise + 5 * (level + 1)
    rows["depth"]["quantity"] = 650
    rows["depth"]["orders"] = 3
    return rows
