"""Which price of an instrument to solve for, with figures of its book."""

from __future__ import annotations

import math
from typing import Any, Final

from enrich.kernels.jit import inlined
from enrich.kernels.status import FLAG_PRICE_STALE, FLAG_WIDE_SPREAD

SOURCE_NONE: Final = 0
SOURCE_MID: Final = 1
SOURCE_LAST: Final = 2


@inlined
def is_sane(bid: float, ask: float, spread_floor: float, spread_ratio_max: float) -> bool:
    """Say whether a book is two-sided, uncrossed, narrow enough for its middle to be a price.

    Source: spread limit max(0.10 rupees, a quarter of the middle) by default, see docs/greeks.md.
    """
    if not (bid > 0.0 and ask > bid):
        return False
    return ask - bid <= max(spread_floor, spread_ratio_max * 0.5 * (bid + ask))


@inlined
def choose_price(
    bid: float, ask: float, last: float, trade_age_s: int, tick_size: float, parameters: Any
) -> tuple[float, int, int]:
    """Return price in rupees (0: none), its source, flags.

    The middle of a sane book, else the last trade; a trade that is old, or outside the book by
    more than a tick, is used but flagged as stale.
    """
    sane = is_sane(bid, ask, parameters["spread_floor"], parameters["spread_ratio_max"])
    two_sided = bid > 0.0 and ask > bid
    flags = 0
    if two_sided and not sane:
        flags |= int(FLAG_WIDE_SPREAD)
    if sane and (parameters["prefer_mid"] != 0 or not last > 0.0):
        return 0.5 * (bid + ask), SOURCE_MID, flags
    if not last > 0.0:
        return 0.0, SOURCE_NONE, flags
    outside = two_sided and (last < bid - tick_size or last > ask + tick_size)
    if outside or trade_age_s > parameters["last_trade_age_max_s"]:
        flags |= int(FLAG_PRICE_STALE)
    return last, SOURCE_LAST, flags


@inlined
def book_figures(record: Any) -> None:
    """Write mid_price, micro_price, spread, imbalance of a decoded record; NaN where one-sided.

    The micro price weights each side's best price by the other side's quantity.
    Source: Stoikov (2018), "The micro-price", its first term.
    """
    bid, ask = record["bid_price"][0], record["ask_price"][0]
    record["mid_price"] = record["micro_price"] = record["spread"] = math.nan
    if bid > 0.0 and ask > 0.0:
        bid_quantity = float(record["bid_quantity"][0])
        ask_quantity = float(record["ask_quantity"][0])
        record["mid_price"] = 0.5 * (bid + ask)
        record["spread"] = ask - bid
        both = bid_quantity + ask_quantity
        record["micro_price"] = (bid * ask_quantity + ask * bid_quantity) / both
    bids = asks = 0.0
    for level in range(5):
        bids += record["bid_quantity"][level]
        asks += record["ask_quantity"][level]
    record["imbalance"] = (bids - asks) / (bids + asks) if bids + asks > 0.0 else math.nan
