"""Commands that are carried out by further commands, each with a command_id of its own.

The n-th leg of a basket has the basket's command_id with `.n`, an exit's order `.exit`; a
command_id that would be too long by that is shortened with a hash.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.order_fields import (
    Exchange,
    Head,
    Leg,
    OnPartial,
    Price,
    Product,
    Protection,
    Quantity,
    Symbol,
    Validity,
)

Policy = Literal["independent", "all_or_cancel_rest", "sequential"]


class Exit(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="exit"):
    """Close a position, or a part of it; refused where the position is not known, or smaller.

    What other orders may still close is not there to be closed.
    """

    exchange: Exchange
    tradingsymbol: Symbol
    product: Product
    quantity: Quantity | None = None
    order_type: Literal["MARKET", "LIMIT"] = "MARKET"
    price: Price | None = None
    validity: Validity = "DAY"
    market_protection: Protection | None = -1.0
    algo_id: Annotated[str, Meta(max_length=32)] = ""
    autoslice: bool = True
    on_partial: OnPartial = "keep"


class Basket(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="basket"):
    """Place several orders: each for itself, or all or none kept, or one after the other.

    `all_or_cancel_rest`: once a leg fails, legs that have not left are not sent, living ones are
    cancelled; what has traded has. `sequential`: a leg leaves once the one before it is COMPLETE,
    or accepted, as `advance_on` says; once one fails, none follows.
    """

    legs: Annotated[list[Leg], Meta(min_length=1, max_length=20)]
    policy: Policy = "independent"
    advance_on: Literal["complete", "accepted"] = "complete"
