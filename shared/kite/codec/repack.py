"""Decoded ticks as the packets they came from, as columns.

For readers that join after the packet itself has left the stream. Prices come back to the same
integers, since a record holds them as the double nearest to their quotient.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.kite.codec.packets import (
    DIVISORS,
    FULL_BYTES,
    INDEX_FULL_BYTES,
    INDEX_QUOTE_BYTES,
    LTP_BYTES,
    QUOTE_BYTES,
    SEGMENT_INDICES,
)
from shared.wire.ticks import DEPTH_LEVELS, Mode

_LEVEL: Final = np.dtype([("quantity", ">u4"), ("price", ">u4"), ("orders", ">u2"), ("_", ">u2")])
_TRADABLE: Final = np.dtype(
    [
        (name, ">u4")
        for name in (
            "token", "last_price", "last_traded_quantity", "average_price", "volume_traded",
            "total_buy_quantity", "total_sell_quantity", "open", "high", "low", "close",
            "last_trade_time_s", "oi", "oi_day_high", "oi_day_low", "exchange_timestamp_s",
        )
    ]
    + [("bid", _LEVEL, DEPTH_LEVELS), ("ask", _LEVEL, DEPTH_LEVELS)]
)  # fmt: skip
_INDEX: Final = np.dtype(
    [
        ("token", ">u4"), ("last_price", ">u4"), ("high", ">u4"), ("low", ">u4"), ("open", ">u4"),
        ("close", ">u4"), ("change", ">i4"), ("exchange_timestamp_s", ">u4"),
    ]
)  # fmt: skip
_DAY: Final = ("open", "high", "low", "close")
_COUNTS: Final = (
    "last_traded_quantity", "volume_traded", "total_buy_quantity", "total_sell_quantity",
    "last_trade_time_s", "oi", "oi_day_high", "oi_day_low", "exchange_timestamp_s",
)  # fmt: skip
_TRADABLE_LENGTHS: Final = {Mode.LTP: LTP_BYTES, Mode.QUOTE: QUOTE_BYTES, Mode.FULL: FULL_BYTES}
_INDEX_LENGTHS: Final = {
    Mode.LTP: LTP_BYTES,
    Mode.QUOTE: INDEX_QUOTE_BYTES,
    Mode.FULL: INDEX_FULL_BYTES,
}


class Packets(NamedTuple):
    """Packets as columns: tokens, lengths, shape (n,); bodies, shape (n, FULL_BYTES)."""

    tokens: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint16]
    bodies: npt.NDArray[np.uint8]


def repack(records: npt.NDArray[np.void]) -> Packets:
    """Return the packet of every record of TICK_DTYPE, shape (n,).

    What a record cannot tell is an index's price change, written as last less close, and the two
    bytes of padding after each level, written as zeros. Records of a mode that is none have
    length 0.
    """
    tokens = np.ascontiguousarray(records["instrument_token"], dtype=np.uint32)
    is_index = (tokens & 0xFF) == SEGMENT_INDICES
    bodies = np.zeros((len(records), FULL_BYTES), dtype=np.uint8)
    bodies[~is_index] = _tradable(records[~is_index])
    bodies[is_index, :INDEX_FULL_BYTES] = _index(records[is_index])
    lengths = np.zeros(len(records), dtype=np.uint16)
    for mode in Mode:
        rows = records["mode"] == int(mode)
        lengths[rows & ~is_index] = _TRADABLE_LENGTHS[mode]
        lengths[rows & is_index] = _INDEX_LENGTHS[mode]
    return Packets(tokens, lengths, bodies)


def _tradable(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    out = np.zeros(len(records), dtype=_TRADABLE)
    divisors = DIVISORS[records["instrument_token"] & 0xFF]
    out["token"] = records["instrument_token"]
    for name in ("last_price", "average_price", *_DAY):
        out[name] = _integers(records[name], divisors)
    for name in _COUNTS:
        out[name] = records[name]
    for side in ("bid", "ask"):
        levels = out[side]
        levels["quantity"] = records[f"{side}_quantity"]
        levels["price"] = _integers(records[f"{side}_price"], divisors[:, np.newaxis])
        levels["orders"] = records[f"{side}_orders"]
    return out.view(np.uint8).reshape(len(records), FULL_BYTES)


def _index(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    out = np.zeros(len(records), dtype=_INDEX)
    divisors = DIVISORS[records["instrument_token"] & 0xFF]
    out["token"] = records["instrument_token"]
    for name in ("last_price", *_DAY):
        out[name] = _integers(records[name], divisors)
    out["change"] = out["last_price"].astype(np.int64) - out["close"].astype(np.int64)
    out["exchange_timestamp_s"] = records["exchange_timestamp_s"]
    return out.view(np.uint8).reshape(len(records), INDEX_FULL_BYTES)


def _integers(
    prices: npt.NDArray[np.float64], divisors: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint32]:
    scaled = np.nan_to_num(np.rint(prices * divisors), nan=0.0, posinf=0.0, neginf=0.0)
    integers: npt.NDArray[np.uint32] = np.clip(scaled, 0, 2**32 - 1).astype(np.uint32)
    return integers
