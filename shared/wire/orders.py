"""Order commands, what became of them, what the broker says.

A command is one entry of `orders.commands.v1.<account>` with a single field `json` (or `msgpack`).
The XADD is not acceptance: the `received` event is. Until it is seen, send the same command_id
again.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

CommandId = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9._:-]{8,64}\Z",
        description="unique per account for ever; 8 to 64 of A-Z a-z 0-9 . _ : -; a UUIDv7 is best",
    ),
]
StrategyId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{0,32}\Z")]
Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
OrderId = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z-]{1,40}\Z")]
Quantity = Annotated[int, Meta(ge=1, le=10_000_000)]
#: Microseconds since 1970 in UTC: 2001 to 2128, so seconds or milliseconds by mistake are refused.
Microseconds = Annotated[int, Meta(ge=1_000_000_000_000_000, le=5_000_000_000_000_000)]
#: Rupees as decimal text ("101.55") or a JSON number; at most paise.
Price = Decimal

Exchange = Literal["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO"]
Side = Literal["BUY", "SELL"]
Product = Literal["CNC", "NRML", "MIS", "MTF"]
OrderType = Literal["MARKET", "LIMIT", "SL", "SL-M"]
Validity = Literal["DAY", "IOC", "TTL"]
Variety = Literal["regular", "amo", "co", "iceberg", "auction"]


class _Command(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    command_id: CommandId
    strategy_id: StrategyId = ""
    valid_until_us: Microseconds | None = None


class Place(_Command, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="place"):
    """Place one order."""

    exchange: Exchange
    tradingsymbol: Symbol
    transaction_type: Side
    quantity: Quantity
    product: Product
    order_type: OrderType
    price: Price | None = None
    trigger_price: Price | None = None
    validity: Validity = "DAY"
    validity_ttl_minutes: Annotated[int, Meta(ge=1, le=480)] | None = None
    disclosed_quantity: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    market_protection: Annotated[float, Meta(ge=-1, le=100)] | None = None
    variety: Variety = "regular"
    algo_id: Annotated[str, Meta(max_length=32)] = ""


class Modify(_Command, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modify"):
    """Change an open order, named by the command_id that placed it or by the broker's order_id."""

    target_command_id: CommandId | None = None
    order_id: OrderId | None = None
    quantity: Quantity | None = None
    price: Price | None = None
    trigger_price: Price | None = None
    order_type: OrderType | None = None
    validity: Validity | None = None
    disclosed_quantity: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    market_protection: Annotated[float, Meta(ge=-1, le=100)] | None = None
    variety: Variety = "regular"
    expect_version: Annotated[str, Meta(max_length=64)] | None = None


class Cancel(_Command, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="cancel"):
    """Cancel an open order, named as in Modify; always passes guards and kill switches."""

    target_command_id: CommandId | None = None
    order_id: OrderId | None = None
    variety: Variety = "regular"


Command = Place | Modify | Cancel


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
