"""Order commands, what became of them, what the broker says.

A command is one entry of `orders.commands.v1.<account>` with a single field `json` (or `msgpack`).
The XADD is not acceptance: the `received` event is. Until it is seen, send the same command_id
again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.wire.families import Basket, Exit
from shared.wire.funds import MfCancel, MfPlace, SipCancel, SipModify, SipPlace
from shared.wire.gtt import Convert, GttDelete, GttModify, GttPlace
from shared.wire.order_fields import (
    CommandId,
    Disclosed,
    Head,
    Leg,
    Microseconds,
    OrderId,
    OrderType,
    Price,
    Protection,
    Quantity,
    StrategyId,
    Validity,
    Variety,
)
from shared.wire.switching import Halt, Reduce, Resume


class Place(
    Leg, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="place"
):
    """Place one order; `autoslice` lets the broker cut what is above the freeze quantity."""

    command_id: CommandId
    strategy_id: StrategyId = ""
    valid_until_us: Microseconds | None = None


class Modify(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modify"):
    """Change an open order, named by the command_id that placed it or by the broker's order_id."""

    target_command_id: CommandId | None = None
    order_id: OrderId | None = None
    quantity: Quantity | None = None
    price: Price | None = None
    trigger_price: Price | None = None
    order_type: OrderType | None = None
    validity: Validity | None = None
    disclosed_quantity: Disclosed | None = None
    market_protection: Protection | None = None
    variety: Variety = "regular"
    expect_version: Annotated[str, Meta(max_length=64)] | None = None
    #: May use the one modification of an order that is kept for getting out of it.
    is_exit: bool = False


class Cancel(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="cancel"):
    """Cancel an open order, named as in Modify; always passes guards and kill switches."""

    target_command_id: CommandId | None = None
    order_id: OrderId | None = None
    variety: Variety = "regular"


Command = (
    Place
    | Modify
    | Cancel
    | Exit
    | Basket
    | Convert
    | GttPlace
    | GttModify
    | GttDelete
    | MfPlace
    | MfCancel
    | SipPlace
    | SipModify
    | SipCancel
    | Halt
    | Reduce
    | Resume
)


class State(StrEnum):
    """Where a command is, and with it the order it placed."""

    RECEIVED = "RECEIVED"
    REFUSED = "REFUSED"
    ADMITTED = "ADMITTED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    MANUAL = "MANUAL"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_ACCEPTED = "PARTIALLY_ACCEPTED"
    OPEN = "OPEN"
    COMPLETE = "COMPLETE"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    CONFLICT = "CONFLICT"


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why: a code from a closed set, one sentence, the field and its measure where they apply."""

    code: str
    sentence: str
    field: str = ""
    measured: str = ""
    limit: str = ""


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a command's way; `sequence` counts the account's events without holes."""

    sequence: int
    account: str
    command_id: str
    kind: str
    event: str
    state: State
    at_us: int
    strategy_id: str = ""
    tag: str = ""
    #: The broker's id of what the command made or names: an order, a trigger, a fund order, a plan.
    order_id: str = ""
    exchange: str = ""
    tradingsymbol: str = ""
    transaction_type: str = ""
    quantity: int = 0
    filled_quantity: int = 0
    pending_quantity: int = 0
    cancelled_quantity: int = 0
    average_price: str = ""
    broker_status: str = ""
    broker_message: str = ""
    version: str = ""
    reason: Reason | None = None
    #: The basket, exit or cancel that this command was made for.
    parent_command_id: str = ""
    #: Of a placement that the broker cuts up: how much of it lies in orders that the broker took.
    accepted_quantity: int = 0


class BrokerUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the broker described it; `row` is Kite's own order row as JSON, untouched."""

    source: Literal["socket", "poll", "postback"]
    received_at_us: int
    row: msgspec.Raw


class Postback(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP postback as it came, nothing of it believed yet; whoever reads it checks its proof.

    `body` is the text of the request; `content_type` is what the sender called it.
    """

    received_at_us: int
    body: Annotated[str, Meta(max_length=64 * 1024)]
    content_type: Annotated[str, Meta(max_length=128)] = ""
