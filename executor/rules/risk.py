"""Whether a placement stays within what its owner is ready to lose."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Protocol

import msgspec

from executor.rules.guard import Instrument
from executor.rules.units import unit_of
from shared.market.calendar_rows import Phase
from shared.wire.decimals import PAISE_PER_RUPEE
from shared.wire.orders import Reason


class Judged(Protocol):
    """What of an order is judged here: a placement, or an order as a modify would leave it."""

    @property
    def exchange(self) -> str:
        """Return the exchange."""
        ...

    @property
    def variety(self) -> str:
        """Return the variety."""
        ...

    @property
    def transaction_type(self) -> str:
        """Return BUY or SELL."""
        ...

    @property
    def order_type(self) -> str:
        """Return how its price is meant."""
        ...

    @property
    def quantity(self) -> int:
        """Return units, or lots on MCX."""
        ...

    @property
    def price(self) -> Decimal | None:
        """Return rupees."""
        ...

    @property
    def autoslice(self) -> bool:
        """Tell whether the broker cuts it up."""
        ...

    @property
    def iceberg_quantity(self) -> int | None:
        """Return the size of its pieces, if it is sent in such."""
        ...

    @property
    def trigger_price(self) -> Decimal | None:
        """Return rupees."""
        ...


#: Types of order with a price of their own.
PRICED: Final = ("LIMIT", "SL")
_PERCENT: Final = 100


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one account; 0 is no limit."""

    order_quantity_max: int = 0
    order_notional_max: int = 0
    day_quantity_max: int = 0
    day_turnover_max: int = 0
    day_loss_max: int = 0
    price_band_percent: float = 0.0
    price_band_rupees_min: float = 0.0
    is_price_needed: bool = False
    is_session_needed: bool = False
    #: What may be traded, patterns such as NFO:NIFTY*; none named is every one.
    products: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent today, in units and rupees, whatever became of it; and what the day has cost.

    `loss` is in rupees, a profit negative; None is not known.
    """

    quantity: int = 0
    turnover: Decimal = Decimal(0)
    loss: Decimal | None = Decimal(0)


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the market: its last price in rupees, its phase; None is not known.

    Where nobody has looked for a price yet, no price is judged. `told_s` is how many seconds ago
    Kite was asked for the price, where nobody streams it.
    """

    last_price: Decimal | None = None
    told_s: float | None = None
    phase: Phase | None = None
    is_looked_at: bool = True


def notional_of(
    place: Judged, last_price: Decimal | None, instrument: Instrument | None
) -> Decimal:
    """Return what a placement is worth in rupees, 0 where nobody can say."""
    price = place.price if place.order_type in PRICED else None
    price = price or place.trigger_price or last_price or Decimal(0)
    units = instrument.units if instrument is not None else 1
    return price * place.quantity * units


def refuse_session(place: Judged, market: Market, risk: Risk) -> Reason | None:
    """Return why the hour is wrong; after-market orders have hours of their own."""
    is_judged = risk.is_session_needed and place.variety != "amo"
    if not is_judged or market.phase is not Phase.CLOSED:
        return None
    return Reason(
        code="session_closed",
        sentence=f"{place.exchange} is closed; only variety amo is taken now",
        field="exchange",
        measured=market.phase,
        limit="a session",
    )


def refuse_size(place: Judged, risk: Risk, instrument: Instrument | None) -> Reason | None:
    """Return why one order is of too many units."""
    unit = unit_of(place.exchange)
    if 0 < risk.order_quantity_max < place.quantity:
        return _above("order_quantity", place.quantity, risk.order_quantity_max, unit)
    freeze = instrument.freeze_quantity if instrument is not None else 0
    # What the broker sends in pieces is bounded piece by piece.
    piece = 0 if place.autoslice else place.iceberg_quantity or place.quantity
    if 0 < freeze < piece:
        return _above("freeze_quantity", piece, freeze, unit)
    return None


def refuse_money(
    place: Judged, risk: Risk, market: Market, instrument: Instrument | None
) -> Reason | None:
    """Return why one order is worth too much."""
    notional = notional_of(place, market.last_price, instrument)
    if 0 < risk.order_notional_max < notional:
        return _above("order_notional", notional, risk.order_notional_max, "rupees")
    return None


def refuse_spent(
    place: Judged, risk: Risk, spent: Spent, market: Market, instrument: Instrument | None
) -> Reason | None:
    """Return which limit of the day the order would break; an exit is not asked this."""
    notional = notional_of(place, market.last_price, instrument)
    for code, measured, most, unit in (
        # Of every exchange together.
        ("day_quantity", spent.quantity + place.quantity, risk.day_quantity_max, "units"),
        ("day_turnover", spent.turnover + notional, risk.day_turnover_max, "rupees"),
    ):
        if 0 < most < measured:
            return _above(code, measured, most, unit)
    return None


def refuse_loss(risk: Risk, spent: Spent) -> Reason | None:
    """Return why the day has cost so much that only exits pass."""
    loss, most = spent.loss, risk.day_loss_max
    if not most or loss is None or loss < most:
        return None
    return Reason(
        code="day_loss_limit",
        sentence=f"the day's loss is {loss:f} rupees, must be below {most} rupees for anything "
        "but exits",
        measured=f"{loss:f}",
        limit=str(most),
    )


def lacks_loss(risk: Risk, spent: Spent) -> bool:
    """Tell whether the day's loss is to be judged but not known."""
    return bool(risk.day_loss_max) and spent.loss is None


def refuse_price(place: Judged, risk: Risk, market: Market) -> Reason | None:
    """Return why the price is too far on the losing side of the last one.

    A price that is far on the other side rests in the book, which costs nothing.
    """
    last = market.last_price
    if not market.is_looked_at:
        return None
    if not last:
        return _UNPRICED if risk.is_price_needed else None
    if not risk.price_band_percent or place.price is None or place.order_type not in PRICED:
        return None
    share = last * Decimal(str(risk.price_band_percent)) / _PERCENT
    width = max(share, Decimal(str(risk.price_band_rupees_min)))
    is_buy = place.transaction_type == "BUY"
    bound = last + width if is_buy else last - width
    if (place.price <= bound) if is_buy else (place.price >= bound):
        return None
    limit = f"{'at most' if is_buy else 'at least'} {bound:.2f}"
    is_told = market.told_s is not None
    asked = f" (not streamed; as Kite told it {market.told_s:.0f} s ago)" if is_told else ""
    return Reason(
        code="price_band",
        sentence=f"price is {place.price} rupees with a last price of {last} rupees{asked}, "
        f"must be {limit} rupees",
        field="price",
        measured=str(place.price),
        limit=limit,
    )


def _above(code: str, measured: Decimal | int, most: int, unit: str) -> Reason:
    text = f"{measured:f}" if isinstance(measured, Decimal) else str(measured)
    return Reason(
        code=f"{code}_limit",
        sentence=f"{code} would be {text} {unit}, must be at most {most} {unit}",
        field="quantity",
        measured=text,
        limit=str(most),
    )


def rupees(price: float) -> Decimal | None:
    """Return a tick's price as a decimal, None where it is none."""
    # NaN compares false as well.
    return Decimal(round(price * PAISE_PER_RUPEE)) / PAISE_PER_RUPEE if price > 0 else None


_UNPRICED: Final = Reason(
    code="last_price_unknown",
    sentence="no recent last price of the instrument is known, so its price cannot be judged",
    field="tradingsymbol",
    measured="none",
    limit="a recent price",
)
