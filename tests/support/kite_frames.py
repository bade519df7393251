"""Kite packets built from values, independently of the code that reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

Level = tuple[int, int, int]
"""Quantity, price in Kite's integers, orders."""


def ltp(token: int, last_price: int) -> bytes:
    return struct.pack(">2I", token, last_price)


def index_quote(token: int, *prices: int) -> bytes:
    """Prices: last, high, low, open, close, change."""
    return struct.pack(">6Ii", token, *prices)


def index_full(token: int, *values: int) -> bytes:
    """Values: last, high, low, open, close, change, exchange timestamp."""
    return struct.pack(">6IiI", token, *values)


def quote(token: int, *values: int) -> bytes:
    """Values: last price, last quantity, average, volume, buy, sell, open, high, low, close."""
    return struct.pack(">11I", token, *values)


def full(head: bytes, tail: Sequence[int], bids: Sequence[Level], asks: Sequence[Level]) -> bytes:
    """Add to a quote packet: last trade time, oi, its high and low, exchange timestamp, depth."""
    absent: Level = (0, 0, 0)
    levels = [*bids, *[absent] * (5 - len(bids)), *asks, *[absent] * (5 - len(asks))]
    depth = b"".join(struct.pack(">IIH2x", *level) for level in levels)
    return head + struct.pack(">5I", *tail) + depth


def frame(packets: Iterable[bytes]) -> bytes:
    bodies = list(packets)
    return struct.pack(">H", len(bodies)) + b"".join(
        struct.pack(">H", len(body)) + body for body in bodies
    )
