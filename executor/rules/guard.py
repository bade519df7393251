"""Whether a command may leave, judged by itself."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from executor.rules.reducer import BrokerOrder
from executor.rules.units import unit_of
from executor.rules.varieties import refuse_slices, refuse_variety
from shared.wire.decimals import PAISE_PER_RUPEE, paise, price_rule
from shared.wire.orders import Modify, Place, Reason

_PROTECTED: Final = ("MARKET", "SL-M")
_PRICED: Final = ("LIMIT", "SL")
_TRIGGERED: Final = ("SL", "SL-M")


class Instrument(msgspec.Struct, frozen=True):
    """What of an instrument bounds an order: lot in units, tick in paise; 0 is not known.

    An order's quantity counts pieces of `units` units each.
    """

    lot_size: int = 0
    tick_size_paise: int = 0
    freeze_quantity: int = 0
    units: int = 1
    token: int = 0
    shard: int = 0


def is_expired(valid_until_us: int | None, now_us: int) -> bool:
    """Tell whether the command's time has passed; at its very microsecond it has."""
    return valid_until_us is not None and now_us >= valid_until_us


def refuse_trading(switches: Iterable[tuple[str, str]]) -> Reason | None:
    """Return why nothing new may be sent, given (state, scope) of the switches that apply."""
    halted = [scope for state, scope in switches if state not in ("ACTIVE", "REDUCING")]
    if not halted:
        return None
    sentence = f"trading is HALTED ({min(halted)}); only cancels pass"
    return Reason(code="trading_halted", sentence=sentence, measured="HALTED", limit="ACTIVE")


def reducing_scope(switches: Iterable[tuple[str, str]]) -> str:
    """Return the scope of a switch that lets pass only what reduces, "" where none does."""
    return min((scope for state, scope in switches if state == "REDUCING"), default="")


def refuse_place(place: Place, instrument: Instrument | None) -> Reason | None:
    """Return the first rule the placement breaks, or None."""
    # The trigger of a cover order belongs to its second leg, whatever the type of the first.
    trigger = None if place.variety == "co" else place.trigger_price
    return (
        refuse_variety(place)
        or _refuse_prices(place.order_type, place.price, trigger)
        or _refuse_protection(place.order_type, place.market_protection)
        or _refuse_validity(place)
        or _refuse_disclosed(place.disclosed_quantity, place.quantity, place.exchange)
        or refuse_steps(
            place.quantity, (place.price, place.trigger_price), instrument, place.exchange
        )
        or _refuse_pieces(place, instrument)
    )


def _refuse_pieces(place: Place, instrument: Instrument | None) -> Reason | None:
    freeze = instrument.freeze_quantity if instrument is not None else 0
    lot = instrument.lot_size if instrument is not None else 0
    if place.iceberg_quantity is not None and lot and place.iceberg_quantity % lot:
        measured, limit = str(place.iceberg_quantity), f"a multiple of {lot}"
        unit = unit_of(place.exchange)
        return _reason("quantity_not_in_lots", "iceberg_quantity", measured, limit, unit=unit)
    return refuse_slices(place, freeze, lot)


def refuse_modify(
    modify: Modify,
    order: BrokerOrder,
    *,
    modifications: int,
    modifications_max: int,
    instrument: Instrument | None,
) -> Reason | None:
    """Return the first rule the change of this order breaks, or None."""
    if modify.expect_version is not None and modify.expect_version != order.version:
        limit = f"{order.version}, which the order is at now"
        return _reason("version_changed", "expect_version", modify.expect_version, limit)
    # One more than the rest may use is kept for getting out of the order.
    most = modifications_max + 1 if modify.is_exit else modifications_max
    if modifications >= most:
        return Reason(
            code="modifications_spent",
            sentence=f"the order was changed {modifications} times, must be below {most}",
            measured=str(modifications),
            limit=f"below {most}",
        )
    if modify.quantity is not None and modify.quantity <= order.filled_quantity:
        limit = f"above the {order.filled_quantity} filled"
        unit = unit_of(order.exchange)
        return _reason("quantity_filled", "quantity", str(modify.quantity), limit, unit=unit)
    return _refuse_nothing(modify) or _refuse_outcome(modify, order, instrument)


def _refuse_nothing(modify: Modify) -> Reason | None:
    if any(getattr(modify, name) is not None for name in CHANGES):
        return None
    limit = f"at least one of {', '.join(CHANGES)}"
    sentence = f"nothing to change is given, must be {limit}"
    return Reason(code="nothing_to_modify", sentence=sentence, measured="nothing", limit=limit)


#: Fields of a modify that change its order.
CHANGES: Final = (
    "quantity",
    "price",
    "trigger_price",
    "order_type",
    "validity",
    "disclosed_quantity",
    "market_protection",
)


def _refuse_outcome(
    modify: Modify, order: BrokerOrder, instrument: Instrument | None
) -> Reason | None:
    """Judge the order as it would be."""
    order_type = modify.order_type or order.order_type
    quantity = modify.quantity or order.quantity
    prices = (modify.price, modify.trigger_price)
    # A price the order already has need not be said again.
    price = modify.price if modify.price is not None else _kept(order.price, order_type in _PRICED)
    trigger = modify.trigger_price
    if trigger is None:
        trigger = _kept(order.trigger_price, order_type in _TRIGGERED)
    return (
        _refuse_prices(order_type, price, trigger)
        or _refuse_protection(modify.order_type or "", modify.market_protection)
        or _refuse_disclosed(modify.disclosed_quantity or 0, quantity, order.exchange)
        or refuse_steps(quantity, prices, instrument, order.exchange)
    )


def _kept(price: Decimal, is_used: bool) -> Decimal | None:
    return price if is_used and price else None


def _refuse_prices(
    order_type: str, price: Decimal | None, trigger: Decimal | None
) -> Reason | None:
    for field, value, is_needed in (
        ("price", price, order_type in _PRICED),
        ("trigger_price", trigger, order_type in _TRIGGERED),
    ):
        if not is_needed and value is not None and value != 0:
            return _reason(f"{field}_unexpected", field, str(value), f"none with {order_type}")
        if is_needed and value is None:
            return _reason(f"{field}_missing", field, "absent", f"given with {order_type}")
        if is_needed and value is not None and (problem := price_rule(value)):
            return _reason(f"{field}_invalid", field, str(value), problem)
    return None


def _refuse_protection(order_type: str, protection: float | None) -> Reason | None:
    # Mandatory since 2026-04-01. Source: kite.trade/forum/discussion/15912 (read 2026-11).
    if order_type not in _PROTECTED or (protection and (protection == -1 or protection > 0)):
        return None
    return _reason(
        "market_protection_missing",
        "market_protection",
        "absent" if protection is None else f"{protection:g}",
        f"-1 (automatic) or a percentage above 0 with {order_type}",
    )


def _refuse_validity(place: Place) -> Reason | None:
    if place.validity == "IOC" and place.exchange == "MCX":
        return _reason("validity_unsupported", "validity", "IOC", "DAY or TTL on MCX")
    if (place.validity == "TTL") != (place.validity_ttl_minutes is not None):
        measured = str(place.validity_ttl_minutes or "absent")
        limit = "given with validity TTL, absent with others"
        return _reason("validity_ttl_mismatch", "validity_ttl_minutes", measured, limit)
    return None


def _refuse_disclosed(disclosed: int, quantity: int, exchange: str) -> Reason | None:
    if disclosed <= quantity:
        return None
    limit, unit = f"at most {quantity}", unit_of(exchange)
    return _reason("disclosed_too_large", "disclosed_quantity", str(disclosed), limit, unit=unit)


def refuse_steps(
    quantity: int,
    prices: tuple[Decimal | None, ...],
    instrument: Instrument | None,
    exchange: str,
) -> Reason | None:
    """Return why a quantity is no whole number of lots, or a price of ticks."""
    if instrument is None:
        return None
    if instrument.lot_size and quantity % instrument.lot_size:
        limit = f"a multiple of {instrument.lot_size}"
        unit = unit_of(exchange)
        return _reason("quantity_not_in_lots", "quantity", str(quantity), limit, unit=unit)
    for field, price in zip(("price", "trigger_price"), prices, strict=True):
        if price and instrument.tick_size_paise and paise(price) % instrument.tick_size_paise:
            tick = Decimal(instrument.tick_size_paise) / PAISE_PER_RUPEE
            limit = f"a multiple of {tick}"
            return _reason(f"{field}_off_tick", field, str(price), limit, unit="rupees")
    return None


def _reason(code: str, field: str, measured: str, limit: str, *, unit: str = "") -> Reason:
    said = f" {unit}" if unit else ""
    sentence = f"{field} is {measured}{said}, must be {limit}{said}"
    return Reason(code=code, sentence=sentence, field=field, measured=measured, limit=limit)
