"""Records and instruments as a publisher meets them, with only what a test cares about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from publisher.fanout.latest import Latest
from publisher.fanout.names import Names
from publisher.fanout.universe import Universe
from shared.wire.bars import BAR_DTYPE, BarFlag
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.layout import Layout
from shared.wire.ticks import BATCH_HEADER_DTYPE, DEPTH_LEVELS, TICK, TICK_DTYPE

NIFTY = 256265
CALL = 101
PUT = 102
INFY = 408065


def rows(*pairs: tuple[int, float], received_at_ns: int = 1_000_000_000) -> np.ndarray:
    """Return a record per (token, last price), everything else missing or zero."""
    records = np.zeros(len(pairs), TICK_DTYPE)
    for name in TICK_DTYPE.names:
        if TICK_DTYPE[name].base.kind == "f":
            records[name] = np.nan
    records["instrument_token"] = [token for token, _ in pairs]
    records["last_price"] = [price for _, price in pairs]
    records["received_at_ns"] = received_at_ns
    return records


def full_row(token: int = CALL) -> np.ndarray:
    """Return one record with every number set."""
    records = np.zeros(1, TICK_DTYPE)
    for position, field in enumerate(TICK.fields):
        records[field.name] = position + 0.5 if "f" in field.kind else position
    records["instrument_token"] = token
    records["received_at_ns"] = 1_764_000_000_123_456_789
    records["bid_price"] = np.arange(DEPTH_LEVELS)
    return records


def instruments() -> np.ndarray:
    """Return an index with a call and a put on it, then one share."""
    listed = [
        (NIFTY, "NSE", "NIFTY 50", "NIFTY", Kind.INDEX),
        (CALL, "NFO", "NIFTY26NOV24000CE", "NIFTY", Kind.CALL),
        (PUT, "NFO", "NIFTY26NOV24000PE", "NIFTY", Kind.PUT),
        (INFY, "NSE", "INFY", "INFY", Kind.EQUITY),
    ]
    return listing(listed)


def listing(listed: Sequence[tuple[int, str, str, str, Kind]]) -> np.ndarray:
    """Return instruments of (token, exchange, tradingsymbol, underlying, kind)."""
    published = np.zeros(len(listed), INSTRUMENT_DTYPE)
    for row, (token, exchange, symbol, underlying, kind) in zip(published, listed, strict=True):
        row["instrument_token"] = token
        row["exchange"] = exchange.encode()
        row["tradingsymbol"] = symbol.encode()
        row["underlying"] = underlying.encode()
        row["kind"] = kind
    return published


def bars(*closed: tuple[int, int, float]) -> np.ndarray:
    """Return a bar per (token, interval in seconds, close)."""
    records = np.zeros(len(closed), BAR_DTYPE)
    for row, (token, interval_s, close) in zip(records, closed, strict=True):
        row["instrument_token"], row["interval_s"] = token, interval_s
        row["start_ns"] = 1_764_000_000_000_000_000
        row["closed_at_ns"] = row["start_ns"] + interval_s * 1_000_000_000 + 999
        for name, price in (("open", 1.0), ("high", close + 1), ("low", 0.5), ("close", close)):
            row[name] = price
        row["volume"], row["ticks"], row["flags"] = 1200, 7, BarFlag.IDLE
    return records


def batch(
    records: np.ndarray,
    *,
    shard: int = 0,
    fence: int = 1,
    sequence: int = 0,
    layout: Layout = TICK,
) -> dict:
    """Return the fields of an entry of enriched ticks, or of bars."""
    header = np.zeros(1, BATCH_HEADER_DTYPE)
    header["sequence"] = sequence
    header["records"] = len(records)
    header["fence"] = fence
    header["shard"] = shard
    header["layout_version"] = layout.version
    header["record_bytes"] = layout.dtype.itemsize
    return {b"h": header.tobytes(), b"r": records.tobytes()}


def named(symbol: str, *, slots: int = 1) -> Names:
    """Return names of so many slots, all of one symbol."""
    latest = Latest(slots)
    tokens = np.arange(1, slots + 1, dtype=np.uint32)
    latest.admit(tokens)
    names = Names(latest)
    listed = [(int(token), "NSE", symbol, "", Kind.EQUITY) for token in tokens]
    names.take(Universe(listing(listed)))
    return names
