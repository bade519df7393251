"""A small published market: an index with calls and puts, one share."""

from __future__ import annotations

import numpy as np

from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.ticks import TICK_DTYPE, Status

NIFTY, INFY = 256265, 408065
STRIKES = (23900.0, 24000.0, 24100.0, 24200.0)
NEAR, FAR = 20261126, 20261203
RECEIVED_AT_NS = 1_764_000_000_123_456_789


def option_token(strike: float, kind: Kind, expiry: int = NEAR) -> int:
    """Return the token given to an option here."""
    return int(strike) * 10 + int(kind) + (1_000_000 if expiry == FAR else 0)


def market() -> np.ndarray:
    """Return the instruments, sorted by token; NIFTY's in shard 0, the share in shard 1."""
    rows = [(NIFTY, "NSE", "NIFTY 50", "NIFTY", Kind.INDEX, 0.0, 0, 0)]
    rows += [(INFY, "NSE", "INFY", "INFY", Kind.EQUITY, 0.0, 0, 1)]
    for expiry in (NEAR, FAR):
        for strike in STRIKES:
            for kind, letters in ((Kind.CALL, "CE"), (Kind.PUT, "PE")):
                symbol = f"NIFTY{expiry % 1_000_000}{strike:.0f}{letters}"
                token = option_token(strike, kind, expiry)
                rows.append((token, "NFO", symbol, "NIFTY", kind, strike, expiry, 0))
    listed = np.zeros(len(rows), INSTRUMENT_DTYPE)
    names = ("instrument_token", "exchange", "tradingsymbol", "underlying", "kind", "strike")
    for record, row in zip(listed, rows, strict=True):
        for name, value in zip((*names, "expiry", "shard"), row, strict=True):
            record[name] = value.encode() if isinstance(value, str) else value
    return np.sort(listed, order="instrument_token")


def tick(token: int, last_price: float, **fields: float) -> np.ndarray:
    """Return one record; what is not named is missing."""
    record = np.zeros(1, TICK_DTYPE)
    for name in TICK_DTYPE.names or ():
        if TICK_DTYPE[name].base.kind == "f":
            record[name] = np.nan
    record["instrument_token"] = token
    record["last_price"] = last_price
    record["received_at_ns"] = RECEIVED_AT_NS
    record["status"] = Status.NOT_AN_OPTION
    for name, value in fields.items():
        record[name] = value
    return record


def chain_ticks(expiry: int = NEAR, forward: float = 24_030.0) -> np.ndarray:
    """Return a tick of every option of an expiry."""
    return np.concatenate(
        [
            tick(
                option_token(strike, kind, expiry),
                100.0,
                status=Status.OK,
                forward=forward,
                underlying_price=24_010.0,
                implied_vol=0.125,
                delta=0.1,
                oi=75,
            )
            for strike in STRIKES
            for kind in (Kind.CALL, Kind.PUT)
        ]
    )
