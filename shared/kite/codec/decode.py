"""One packet's bytes written into one tick record.

Prices are divided, not multiplied by a reciprocal, so they equal the official parser's floats.
Source: kite.trade/docs/connect/v3/websocket, kiteconnect 5.2.2 `KiteTicker._parse_binary`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.kite.codec.big_endian import Bytes, read_u16, read_u32
from shared.kite.codec.packets import (
    DIVISORS,
    FULL_BYTES,
    INDEX_FULL_BYTES,
    INDEX_QUOTE_BYTES,
    KIND_FULL,
    KIND_INDEX_FULL,
    KIND_INDEX_QUOTE,
    KIND_LTP,
    KIND_QUOTE,
    KIND_UNKNOWN,
    LTP_BYTES,
    QUOTE_BYTES,
)
from shared.kite.codec.scan import Scratch
from shared.wire.ticks import DEPTH_LEVELS, TICK_DTYPE, Mode

_MODE_LTP: Final = int(Mode.LTP)
_MODE_QUOTE: Final = int(Mode.QUOTE)
_MODE_FULL: Final = int(Mode.FULL)
_DEPTH_AT: Final = 64
_LEVEL_BYTES: Final = 12
_SIDE_BYTES: Final = DEPTH_LEVELS * _LEVEL_BYTES

Ticks = npt.NDArray[np.void]


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _write_instrument(buffer: Bytes, offset: int, record: Any) -> np.float64:
    """Write token and last price, which every kind has; return the divisor of its prices."""
    token = read_u32(buffer, offset)
    divisor: np.float64 = DIVISORS[token & np.uint32(0xFF)]
    record["instrument_token"] = token
    record["last_price"] = read_u32(buffer, offset + 4) / divisor
    return divisor


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _clear_day(record: Any) -> None:
    """Write that the packet does not say how the day went."""
    record["open"] = np.nan
    record["high"] = np.nan
    record["low"] = np.nan
    record["close"] = np.nan


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _clear_trading(record: Any) -> None:
    """Write that the packet does not say what was traded."""
    record["average_price"] = np.nan
    record["last_traded_quantity"] = 0
    record["volume_traded"] = 0
    record["total_buy_quantity"] = 0
    record["total_sell_quantity"] = 0


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _clear_book(record: Any) -> None:
    """Write that the packet carries no open interest, no last trade's time, no depth."""
    record["last_trade_time_s"] = 0
    record["oi"] = 0
    record["oi_day_high"] = 0
    record["oi_day_low"] = 0
    # Views are taken once: asked for inside the loop they cost a third of the whole packet.
    bid_quantity, ask_quantity = record["bid_quantity"], record["ask_quantity"]
    bid_price, ask_price = record["bid_price"], record["ask_price"]
    bid_orders, ask_orders = record["bid_orders"], record["ask_orders"]
    for level in range(DEPTH_LEVELS):
        bid_quantity[level] = 0
        ask_quantity[level] = 0
        bid_price[level] = np.nan
        ask_price[level] = np.nan
        bid_orders[level] = 0
        ask_orders[level] = 0


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _write_index_day(buffer: Bytes, offset: int, record: Any, divisor: np.float64) -> None:
    # Index packets order the day as high, low, open, close; tradable ones do not.
    record["high"] = read_u32(buffer, offset + 8) / divisor
    record["low"] = read_u32(buffer, offset + 12) / divisor
    record["open"] = read_u32(buffer, offset + 16) / divisor
    record["close"] = read_u32(buffer, offset + 20) / divisor


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _write_quote(buffer: Bytes, offset: int, record: Any, divisor: np.float64) -> None:
    record["last_traded_quantity"] = read_u32(buffer, offset + 8)
    record["average_price"] = read_u32(buffer, offset + 12) / divisor
    record["volume_traded"] = read_u32(buffer, offset + 16)
    record["total_buy_quantity"] = read_u32(buffer, offset + 20)
    record["total_sell_quantity"] = read_u32(buffer, offset + 24)
    record["open"] = read_u32(buffer, offset + 28) / divisor
    record["high"] = read_u32(buffer, offset + 32) / divisor
    record["low"] = read_u32(buffer, offset + 36) / divisor
    record["close"] = read_u32(buffer, offset + 40) / divisor


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _level_price(
    quantity: np.uint32, price: np.uint32, orders: int, divisor: np.float64
) -> np.float64 | float:
    """Return rupees; NaN where the exchange has no such level and Kite sends zeros."""
    return np.nan if (quantity | price) == 0 and orders == 0 else price / divisor


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _write_depth(buffer: Bytes, offset: int, record: Any, divisor: np.float64) -> None:
    bid_quantity, ask_quantity = record["bid_quantity"], record["ask_quantity"]
    bid_price, ask_price = record["bid_price"], record["ask_price"]
    bid_orders, ask_orders = record["bid_orders"], record["ask_orders"]
    for level in range(DEPTH_LEVELS):
        at = offset + _DEPTH_AT + _LEVEL_BYTES * level
        quantity, price = read_u32(buffer, at), read_u32(buffer, at + 4)
        orders = read_u16(buffer, at + 8)
        bid_quantity[level] = quantity
        bid_price[level] = _level_price(quantity, price, orders, divisor)
        bid_orders[level] = orders
        at += _SIDE_BYTES
        quantity, price = read_u32(buffer, at), read_u32(buffer, at + 4)
        orders = read_u16(buffer, at + 8)
        ask_quantity[level] = quantity
        ask_price[level] = _level_price(quantity, price, orders, divisor)
        ask_orders[level] = orders


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _write_full(buffer: Bytes, offset: int, record: Any, divisor: np.float64) -> None:
    _write_quote(buffer, offset, record, divisor)
    record["last_trade_time_s"] = read_u32(buffer, offset + 44)
    record["oi"] = read_u32(buffer, offset + 48)
    record["oi_day_high"] = read_u32(buffer, offset + 52)
    record["oi_day_low"] = read_u32(buffer, offset + 56)
    record["exchange_timestamp_s"] = read_u32(buffer, offset + 60)
    record["mode"] = _MODE_FULL
    _write_depth(buffer, offset, record, divisor)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _decode_index(buffer: Bytes, offset: int, length: int, record: Any) -> int:
    divisor = _write_instrument(buffer, offset, record)
    _write_index_day(buffer, offset, record, divisor)
    _clear_trading(record)
    _clear_book(record)
    if length == INDEX_QUOTE_BYTES:
        record["exchange_timestamp_s"] = 0
        record["mode"] = _MODE_QUOTE
        return KIND_INDEX_QUOTE
    record["exchange_timestamp_s"] = read_u32(buffer, offset + 28)
    record["mode"] = _MODE_FULL
    return KIND_INDEX_FULL


@njit(cache=True, nogil=True, error_model="numpy")
def decode_packet(buffer: Bytes, offset: int, length: int, records: Ticks, row: int) -> int:
    """Write Kite's facts of buffer[offset:offset+length] into records[row]; return its kind.

    Written: instrument_token to ask_orders but for underlying_token, and mode; what the packet
    does not carry becomes NaN (prices) or 0. Everything else in the row is left alone. Kind 0 is
    a length we do not know: then nothing is written. The caller has checked, by `scan_frame`, that
    the bytes are there.
    """
    record = records[row]
    if length == FULL_BYTES:
        divisor = _write_instrument(buffer, offset, record)
        _write_full(buffer, offset, record, divisor)
        return KIND_FULL
    if length == QUOTE_BYTES:
        divisor = _write_instrument(buffer, offset, record)
        _write_quote(buffer, offset, record, divisor)
        _clear_book(record)
        record["exchange_timestamp_s"] = 0
        record["mode"] = _MODE_QUOTE
        return KIND_QUOTE
    if length == LTP_BYTES:
        _write_instrument(buffer, offset, record)
        _clear_day(record)
        _clear_trading(record)
        _clear_book(record)
        record["exchange_timestamp_s"] = 0
        record["mode"] = _MODE_LTP
        return KIND_LTP
    if length not in (INDEX_QUOTE_BYTES, INDEX_FULL_BYTES):
        return KIND_UNKNOWN
    return _decode_index(buffer, offset, length, record)


@njit(cache=True, nogil=True, error_model="numpy")
def decode_packets(
    buffer: Bytes,
    offsets: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.uint16],
    count: int,
    records: Ticks,
) -> int:
    """Decode `count` scanned packets into records[0:]; return rows written, fewer by unknowns."""
    row = 0
    for index in range(count):
        if decode_packet(buffer, offsets[index], lengths[index], records, row) != KIND_UNKNOWN:
            row += 1
    return row


def blank_ticks(count: int) -> Ticks:
    """Return `count` records that say nothing: numbers NaN, codes and counts zero, shape (n,)."""
    blank = np.zeros(1, dtype=TICK_DTYPE)
    for name in TICK_DTYPE.names or ():
        if TICK_DTYPE[name].base.kind == "f":
            blank[name] = np.nan
    return np.repeat(blank, count)


def decode_frame(frame: bytes | memoryview, received_at_ns: int = 0) -> Ticks:
    """Return a record per packet of known length, shape (n,); a heartbeat gives none.

    Raises:
        FrameError: the frame is damaged; its reason is one of `scan.FRAME_REASONS`.
    """
    scratch = Scratch.for_frame(frame)
    count = scratch.scan(frame)
    ticks = blank_ticks(count)
    if count:
        buffer = np.frombuffer(frame, dtype=np.uint8)
        rows = decode_packets(buffer, scratch.offsets, scratch.lengths, count, ticks)
        ticks = ticks[:rows]
    ticks["received_at_ns"] = received_at_ns
    return ticks
