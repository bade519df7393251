"""What an order gets from a book, as arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Side = Literal["BUY", "SELL"]

PAISE_PER_RUPEE = 100
FULL_PERCENT = 100.0

#: Upper price in rupees, percent band: automatic market protection of equities plus futures.
#: Source: kite forum, market protection (2026).
_BANDS_OTHER = ((100.0, 2.0), (500.0, 1.0), (math.inf, 0.5))
#: The same for options.
_BANDS_OPTION = ((10.0, 5.0), (100.0, 3.0), (500.0, 2.0), (math.inf, 1.0))


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a book; price in paise, quantity in units."""

    price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Book:
    """One instrument's market at an instant, best rungs first; prices in paise."""

    bids: tuple[Rung, ...]
    asks: tuple[Rung, ...]
    last: int
    tick: int


@dataclass(frozen=True, slots=True)
class Fill:
    """A quantity traded at one price in paise."""

    price: int
    quantity: int


def match(side: Side, quantity: int, limit: int, book: Book) -> tuple[Fill, ...]:
    """Return the fills of an order at the book's own prices, none worse than `limit` in paise."""
    rungs = book.asks if side == "BUY" else book.bids
    fills = []
    for rung in rungs:
        crosses = rung.price <= limit if side == "BUY" else rung.price >= limit
        if not crosses or quantity == 0:
            break
        taken = min(quantity, rung.quantity)
        fills.append(Fill(rung.price, taken))
        quantity -= taken
    return tuple(fills)


def is_triggered(side: Side, trigger: int, last: int) -> bool:
    """Say whether a stop order wakes at `last`; a buy at or above its trigger, a sell below."""
    return last >= trigger if side == "BUY" else last <= trigger


def protection_percent(asked: float, last: int, *, option: bool) -> float:
    """Return the band of a protected market order; `asked` is -1 for the automatic band."""
    if asked > 0:
        return asked
    rupees = last / PAISE_PER_RUPEE
    bands = _BANDS_OPTION if option else _BANDS_OTHER
    return next(percent for upper, percent in bands if rupees <= upper)


def protected_limit(side: Side, percent: float, book: Book) -> int:
    """Return the limit in paise a protected market order becomes: the last price plus its band."""
    away = book.last * percent / FULL_PERCENT
    if side == "BUY":
        return math.floor((book.last + away) / book.tick) * book.tick
    return max(math.ceil((book.last - away) / book.tick) * book.tick, book.tick)
