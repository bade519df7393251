"""Five rungs a side round a last price, over columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

LEVELS = 5
HALF_SPREAD_TICKS_MAX = 5
TICKS_PER_EXTRA_HALF_SPREAD = 4_000
LOTS_PER_LEVEL_MIN = 8
LOTS_PER_LEVEL_MAX = 60
EQUITY_LOT = 25
_RUNGS = np.arange(LEVELS, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Depth:
    """Buy rungs 0 to 4 then sell rungs 5 to 9, best first; shape (n, 10), prices in paise."""

    price: Integers
    quantity: Integers
    orders: Integers


def half_spread_ticks(last: Integers, tick: Integers) -> Integers:
    """Return how many ticks the best rungs lie from the last price."""
    wider = last // (tick * TICKS_PER_EXTRA_HALF_SPREAD)
    return np.asarray(np.minimum(1 + wider, HALF_SPREAD_TICKS_MAX), dtype=np.int64)


def rung_prices(last: Integers, tick: Integers) -> Integers:
    """Return the ten rung prices, symmetric round `last`; 0 where a bid would not be positive."""
    nearest = half_spread_ticks(last, tick)
    away = (nearest[:, None] + _RUNGS) * tick[:, None]
    bids = last[:, None] - away
    return np.hstack([np.where(bids > 0, bids, 0), last[:, None] + away])


def draw_depth(last: Integers, tick: Integers, lot: Integers, random: np.random.Generator) -> Depth:
    """Return a fresh book for each row; empty rungs have price, quantity, orders of 0."""
    price = rung_prices(last, tick)
    lots = random.integers(LOTS_PER_LEVEL_MIN, LOTS_PER_LEVEL_MAX, price.shape)
    unit = np.where(lot > 1, lot, EQUITY_LOT)[:, None]
    filled = price > 0
    return Depth(
        price=price,
        quantity=np.where(filled, lots * unit, 0),
        orders=np.where(filled, 1 + lots // 6, 0),
    )
