"""Kite's binary frames, made from columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from deploy.sandbox.depth import LEVELS

Integers = npt.NDArray[np.int64]
Mode = Literal["ltp", "quote", "full"]
Packets = npt.NDArray[np.void]

HEARTBEAT = b"\x00"
PACKETS_PER_FRAME_MAX = 200
LENGTH_PREFIX_BYTES = 2
#: JavaScript clients read prices as signed, so nothing at or above this is ever sent.
INTEGER_MAX = 2**31 - 1

# Every record begins with its own length, so that records end to end are the inside of a frame.
_LTP = [("length", ">u2"), ("token", ">u4"), ("last", ">u4")]
# Index packets order the day as high, low, open, close; tradable ones do not.
_INDEX_QUOTE = [
    *_LTP,
    ("high", ">u4"),
    ("low", ">u4"),
    ("open", ">u4"),
    ("close", ">u4"),
    ("change", ">i4"),
]
_INDEX_FULL = [*_INDEX_QUOTE, ("timestamp", ">u4")]
_QUOTE = [
    *_LTP,
    ("last_quantity", ">u4"),
    ("average", ">u4"),
    ("volume", ">u4"),
    ("total_buy", ">u4"),
    ("total_sell", ">u4"),
    ("open", ">u4"),
    ("high", ">u4"),
    ("low", ">u4"),
    ("close", ">u4"),
]
_RUNG = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("padding", ">u2")])
_FULL_PLAIN = [
    *_QUOTE,
    ("last_trade_time", ">u4"),
    ("oi", ">u4"),
    ("oi_high", ">u4"),
    ("oi_low", ">u4"),
    ("timestamp", ">u4"),
]
LTP = np.dtype(_LTP)
INDEX_QUOTE = np.dtype(_INDEX_QUOTE)
INDEX_FULL = np.dtype(_INDEX_FULL)
QUOTE = np.dtype(_QUOTE)
FULL = np.dtype([*_FULL_PLAIN, ("depth", _RUNG, (2 * LEVELS,))])

_INDEX_LAYOUT = {"ltp": LTP, "quote": INDEX_QUOTE, "full": INDEX_FULL}
_TRADABLE_LAYOUT = {"ltp": LTP, "quote": QUOTE, "full": FULL}


@dataclass(slots=True, kw_only=True)
class Columns:
    """The state of every instrument, one row each; prices in paise, times in Unix seconds.

    The depth columns have shape (n, 10), buy rungs first; everything else has shape (n,).
    """

    token: Integers
    last: Integers
    last_quantity: Integers
    average: Integers
    volume: Integers
    turnover: npt.NDArray[np.float64]
    total_buy: Integers
    total_sell: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    last_trade_time: Integers
    oi: Integers
    oi_high: Integers
    oi_low: Integers
    timestamp: Integers
    depth_quantity: Integers
    depth_price: Integers
    depth_orders: Integers


def layout(mode: Mode, *, index: bool) -> np.dtype[Any]:
    """Return the record of a packet of `mode`, its length prefix included."""
    return (_INDEX_LAYOUT if index else _TRADABLE_LAYOUT)[mode]


def encode(columns: Columns, rows: Integers, mode: Mode, *, index: bool) -> Packets:
    """Return one record per row, ready to be put end to end behind a frame's count."""
    record = layout(mode, index=index)
    packets = np.zeros(rows.size, dtype=record)
    for name in record.names or ():
        if name == "length":
            packets[name] = record.itemsize - LENGTH_PREFIX_BYTES
        elif name == "change":
            packets[name] = columns.last[rows] - columns.close[rows]
        elif name == "depth":
            packets[name]["quantity"] = _fit(columns.depth_quantity[rows])
            packets[name]["price"] = _fit(columns.depth_price[rows])
            packets[name]["orders"] = columns.depth_orders[rows]
        else:
            packets[name] = _fit(getattr(columns, name)[rows])
    return packets


def frames(batches: Sequence[Packets], packets_max: int = PACKETS_PER_FRAME_MAX) -> Iterator[bytes]:
    """Yield whole frames holding the batches in their order, at most `packets_max` in each."""
    parts: list[bytes] = []
    count = 0
    for batch in batches:
        start = 0
        while start < batch.size:
            taken = batch[start : start + packets_max - count]
            parts.append(taken.tobytes())
            start += taken.size
            count += taken.size
            if count == packets_max:
                yield _frame(count, parts)
                parts, count = [], 0
    if count:
        yield _frame(count, parts)


def _frame(count: int, parts: Sequence[bytes]) -> bytes:
    return count.to_bytes(2, "big") + b"".join(parts)


def _fit(values: Integers) -> Integers:
    return np.clip(values, 0, INTEGER_MAX)
