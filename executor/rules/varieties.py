"""The rules that each variety of an order has beside those of every order."""

from __future__ import annotations

from typing import Final

import msgspec

from executor.rules.units import counted
from shared.wire.orders import Place, Reason

#: Shares only. Source: kite.trade/docs/connect/v3/orders (read 2026-11).
_OF_SHARES: Final = ("CNC", "MTF")
_SHARE_EXCHANGES: Final = ("NSE", "BSE")
#: What the broker cuts an order into. Source: kite.trade/docs/connect/v3/orders (read 2026-11);
#: fewer than two slices are refused: kite.trade/forum/discussion comment 53057 (October 2026).
SLICES_MIN: Final = 2
SLICES_MAX: Final = 10
_SLICED: Final = ("regular", "amo")


def refuse_variety(place: Place) -> Reason | None:
    """Return the first rule of its variety, or of its exchange, that the placement breaks."""
    if place.exchange not in _SHARE_EXCHANGES:
        if place.product in _OF_SHARES:
            return _reason(
                "product_unsupported", "product", place.product, f"NRML or MIS on {place.exchange}"
            )
        if place.disclosed_quantity:
            measured = str(place.disclosed_quantity)
            return _reason(
                "disclosed_unsupported",
                "disclosed_quantity",
                measured,
                f"0 on {place.exchange}",
            )
    return _refuse_iceberg(place) or _refuse_auction(place) or _refuse_cover(place)


def _refuse_iceberg(place: Place) -> Reason | None:
    legs, quantity = place.iceberg_legs, place.iceberg_quantity
    for field, value in (("iceberg_legs", legs), ("iceberg_quantity", quantity)):
        if (value is not None) != (place.variety == "iceberg"):
            limit = "given with variety iceberg, absent with others"
            return _reason("iceberg_mismatch", field, _shown(value), limit)
    if (
        legs is None
        or quantity is None
        or (legs - 1) * quantity < place.quantity <= legs * quantity
    ):
        return None
    limit = f"the quantity {place.quantity} divided by {legs} legs, only the last one smaller"
    return _reason("iceberg_uneven", "iceberg_quantity", str(quantity), limit)


def _refuse_auction(place: Place) -> Reason | None:
    if (place.auction_number is not None) != (place.variety == "auction"):
        limit = "given with variety auction, absent with others"
        return _reason("auction_mismatch", "auction_number", _shown(place.auction_number), limit)
    if place.variety == "auction" and place.exchange not in _SHARE_EXCHANGES:
        limit = f"one of {', '.join(_SHARE_EXCHANGES)} with variety auction"
        return _reason("variety_unsupported", "exchange", place.exchange, limit)
    return None


def _refuse_cover(place: Place) -> Reason | None:
    if place.variety != "co":
        return None
    if place.order_type not in ("LIMIT", "MARKET"):
        return _reason("cover_type", "order_type", place.order_type, "LIMIT or MARKET with co")
    if not place.trigger_price:
        return _reason("cover_trigger", "trigger_price", "absent", "the stop of a cover order")
    if place.product != "MIS":
        return _reason("cover_product", "product", place.product, "MIS with variety co")
    return None


def refuse_slices(place: Place, freeze: int, lot_size: int) -> Reason | None:
    """Return why an order above the freeze quantity, 0 if unknown, cannot be cut into slices."""
    if not place.autoslice:
        return None
    if place.variety not in _SLICED:
        limit = f"false, or variety one of {', '.join(_SLICED)}"
        return _reason("autoslice_unsupported", "autoslice", "true", limit)
    lot = max(lot_size, 1)
    largest = freeze // lot * lot
    if not largest or place.quantity <= freeze:
        return None
    if SLICES_MIN * largest <= place.quantity <= SLICES_MAX * largest:
        return None
    limit = f"{SLICES_MIN} to {SLICES_MAX} slices of {largest}, or at most {freeze} unsliced"
    reason = _reason("slices", "quantity", str(place.quantity), limit)
    sentence = (
        f"quantity is {counted(place.quantity, place.exchange)}, must be {SLICES_MIN} to "
        f"{SLICES_MAX} slices of {counted(largest, place.exchange)}, or at most "
        f"{counted(freeze, place.exchange)} unsliced"
    )
    return msgspec.structs.replace(reason, sentence=sentence)


def _shown(value: object) -> str:
    return "absent" if value is None else str(value)


def _reason(code: str, field: str, measured: str, limit: str) -> Reason:
    sentence = f"{field} is {measured}, must be {limit}"
    return Reason(code=code, sentence=sentence, field=field, measured=measured, limit=limit)
