"""Commands on good-till-triggered orders, and on the product of a position.

A GTT has no tag: after an unknown outcome it is looked for by its content and its time. What the
broker calls its trigger_id is the `order_id` of the events.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.wire.order_fields import Exchange, Head, Price, Product, Quantity, Side, Symbol

TriggerId = Annotated[int, Meta(ge=1, le=9_007_199_254_740_991)]


class GttOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is placed when a trigger fires; through the API only LIMIT orders."""

    transaction_type: Side
    quantity: Quantity
    product: Literal["CNC", "NRML", "MTF"]
    price: Price
    order_type: Literal["LIMIT"] = "LIMIT"


class GttPlace(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gtt_place"):
    """Leave an order that waits for its trigger, `single`, or two of which only one is placed.

    A `two-leg` one has the lower trigger first; the n-th order belongs to the n-th trigger.
    """

    exchange: Exchange
    tradingsymbol: Symbol
    trigger_type: Literal["single", "two-leg"]
    trigger_values: Annotated[list[Price], Meta(min_length=1, max_length=2)]
    last_price: Price
    orders: Annotated[list[GttOrder], Meta(min_length=1, max_length=2)]


class GttModify(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gtt_modify"):
    """Replace all of a GTT: what is not said again is not kept."""

    trigger_id: TriggerId
    exchange: Exchange
    tradingsymbol: Symbol
    trigger_type: Literal["single", "two-leg"]
    trigger_values: Annotated[list[Price], Meta(min_length=1, max_length=2)]
    last_price: Price
    orders: Annotated[list[GttOrder], Meta(min_length=1, max_length=2)]


class GttDelete(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gtt_delete"):
    """Take a GTT away; like a cancel it passes every trading switch."""

    trigger_id: TriggerId


class Convert(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="convert"):
    """Change the product of a position, or of a part of it."""

    exchange: Exchange
    tradingsymbol: Symbol
    transaction_type: Side
    position_type: Literal["day", "overnight"]
    quantity: Quantity
    old_product: Product
    new_product: Product
