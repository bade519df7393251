"""What is held of an instrument, and what may leave it yet."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from executor.journal.today import place_of
from executor.rules.reducing import Exposure
from shared.resilience.windows import per_day
from shared.store.change import Change

_DAY: Final = per_day(1)

#: Exchange, tradingsymbol, product.
Held = tuple[str, str, str]


async def known_exposure(
    change: Change, instrument: Held, side: str | None, *, own: str = "", age_us_max: int
) -> Exposure | None:
    """Return what is held, what may leave it by orders of `side`, or of the exit's side.

    None where the positions were not read within `age_us_max`, or on another day.

    Raises:
        StoreError: PostgreSQL is away.
    """
    portfolio, now_us = change.portfolio, change.at_us
    held = await portfolio.held(*instrument)
    if held is None or now_us - held.looked_us > age_us_max:
        return None
    since_us = _day_start_us(now_us)
    if held.looked_us < since_us:
        return None  # it was another day's
    side = side or ("SELL" if held.quantity > 0 else "BUY")
    exchange, symbol, product = instrument
    seen = await portfolio.on_the_way(instrument, side, since_us=since_us)
    exposure = f"{side} {exchange}:{symbol}"
    unseen = await portfolio.unseen_placements(exposure, since_us=since_us)
    sent = (place_of(row) for row in unseen)
    lost = sum(place.quantity for place in sent if place.product == product)
    on_the_way = sum(seen.values()) + lost
    return Exposure(position=held.quantity, on_the_way=on_the_way, own=seen.get(own, 0))


async def with_holdings(change: Change, found: Exposure, instrument: Held) -> Exposure:
    """Add what lies in the demat account, as far as it may be sold.

    Raises:
        StoreError: PostgreSQL is away.
    """
    since_us = _day_start_us(change.at_us)
    held = await change.portfolio.sellable(*instrument, position=found.position, since_us=since_us)
    return replace(found, position=held)


async def with_unsent(change: Change, found: Exposure, instrument: Held) -> Exposure:
    """Add the exit's own orders that are claimed and have not left.

    Raises:
        StoreError: PostgreSQL is away.
    """
    exchange, symbol, product = instrument
    side = "SELL" if found.position > 0 else "BUY"
    waiting = await change.unsent_placements(f"{side} {exchange}:{symbol}")
    places = (place_of(each) for each in waiting)
    unsent = sum(each.quantity for each in places if each.product == product)
    return replace(found, on_the_way=found.on_the_way + unsent)


def _day_start_us(now_us: int) -> int:
    return _DAY.starts_ns(_DAY.index(now_us * 1000)) // 1000
