"""A market of one index in two expiries with a future in the later one, as instruments and packets.

Option prices come from the textbook formula, rounded to the price tick as an exchange would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.segments import segment
from shared.wire.ticks import RAW_HEADER_DTYPE
from tests.support import kite_frames

INDEX, FUTURE, SHARE, UNKNOWN = 265, 1026, 1281, 999_999_938
STRIKES = (23_800.0, 23_900.0, 24_000.0, 24_100.0, 24_200.0)
NEAR, FAR = 0, 1
RATE = 0.054
VOL = 0.13
NOW_S = 1_790_000_000
NOW_NS = NOW_S * 1_000_000_000
DAY_S = 86_400
EXPIRY_S = (NOW_S + 3 * DAY_S, NOW_S + 24 * DAY_S)
YEAR_S = 365 * DAY_S
TICK_PAISE = 5
_NORMAL = NormalDist()


def option(kind: Kind, strike: float, expiry: int = NEAR) -> int:
    """Return the token of an option."""
    return (10_000 + 1_000 * expiry + 10 * STRIKES.index(strike) + int(kind)) * 256 + 2


def instruments() -> np.ndarray:
    """Return the published instruments, sorted by token."""
    rows = [
        _row(INDEX, Kind.INDEX, "NIFTY 50", "NSE"),
        _row(FUTURE, Kind.FUTURE, "NIFTYFUT", "NFO", expiry=FAR),
        _row(SHARE, Kind.EQUITY, "INFY", "NSE", underlying="INFY"),
    ]
    for expiry in (NEAR, FAR):
        for strike in STRIKES:
            for kind in (Kind.CALL, Kind.PUT):
                token = option(kind, strike, expiry)
                symbol = f"NIFTY{expiry}{strike:.0f}{kind.name}"
                rows.append(_row(token, kind, symbol, "NFO", strike=strike, expiry=expiry))
    listed = np.concatenate(rows)
    return np.sort(listed, order="instrument_token")


def _row(  # one row of a table
    token: int,
    kind: Kind,
    symbol: str,
    exchange: str,
    *,
    underlying: str = "NIFTY",
    strike: float = 0.0,
    expiry: int | None = None,
) -> np.ndarray:
    row = np.zeros(1, INSTRUMENT_DTYPE)
    row["instrument_token"], row["kind"], row["strike"] = token, kind, strike
    row["underlying_token"] = INDEX if underlying == "NIFTY" else token
    row["tradingsymbol"], row["exchange"] = symbol.encode(), exchange.encode()
    row["underlying"] = underlying.encode()
    row["tick_size"], row["lot_size"] = 0.05, 65
    row["shard"] = underlying != "NIFTY"
    if expiry is not None:
        row["expiry"] = 20260901 + expiry
        row["expiry_ns"] = EXPIRY_S[expiry] * 1_000_000_000
    return row


def index_packet(price: float, stamp_s: int = NOW_S) -> bytes:
    """Return a full packet of the index."""
    paise = round(price * 100)
    return kite_frames.index_full(INDEX, paise, paise, paise, paise, paise, 0, stamp_s)


def packet(  # a packet has many fields
    token: int,
    price: float,
    *,
    stamp_s: int = NOW_S,
    traded_s: int | None = None,
    bid: float | None = None,
    ask: float | None = None,
    volume: int = 1_000,
    oi: int = 0,
) -> bytes:
    """Return a full packet; the book lies one tick either side unless told, 0 leaves a side out."""
    bid = price - 0.05 if bid is None else bid
    ask = price + 0.05 if ask is None else ask
    paise = round(price * 100)
    head = kite_frames.quote(token, paise, 65, paise, volume, 10, 10, paise, paise, paise, paise)
    bids = [(130, round(bid * 100), 2)] if bid > 0 else []
    asks = [(65, round(ask * 100), 1)] if ask > 0 else []
    tail = (stamp_s if traded_s is None else traded_s, oi, oi, oi, stamp_s)
    return kite_frames.full(head, tail, bids, asks)


def fair(kind: Kind, strike: float, forward: float, years: float, vol: float = VOL) -> float:
    """Return an option's price on its tick, in rupees."""
    total = vol * math.sqrt(years)
    d1 = math.log(forward / strike) / total + total / 2
    sign = 1.0 if kind is Kind.CALL else -1.0
    exact = sign * (forward * _NORMAL.cdf(sign * d1) - strike * _NORMAL.cdf(sign * (d1 - total)))
    return max(1, round(math.exp(-RATE * years) * exact * 20)) / 20


def chain(forward: float, expiry: int = NEAR, stamp_s: int = NOW_S) -> list[bytes]:
    """Return a full packet of every option of an expiry, priced off one forward."""
    years = (EXPIRY_S[expiry] - stamp_s) / YEAR_S
    return [
        packet(option(kind, strike, expiry), fair(kind, strike, forward, years), stamp_s=stamp_s)
        for strike in STRIKES
        for kind in (Kind.CALL, Kind.PUT)
    ]


def segments(*frames: Sequence[bytes], at_ns: int = NOW_NS, every_ns: int = 1_000_000) -> bytes:
    """Return one segment per sequence of packets, `every_ns` apart."""
    return b"".join(
        segment(at_ns + number * every_ns, kite_frames.frame(packets))
        for number, packets in enumerate(frames)
    )


def header(packets: int = 0) -> bytes:
    """Return a raw header that promises so many packets."""
    row = np.zeros(1, RAW_HEADER_DTYPE)
    row["packets"] = packets
    return row.tobytes()
