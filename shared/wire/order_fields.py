"""The fields that order commands are made of."""

from __future__ import annotations

from decimal import Decimal
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
Disclosed = Annotated[int, Meta(ge=0, le=10_000_000)]
Protection = Annotated[float, Meta(ge=-1, le=100)]
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
#: What follows when the broker takes only some slices of an order above the freeze quantity.
OnPartial = Literal["keep", "cancel_rest", "alert"]


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every command says beside what it asks for."""

    command_id: CommandId
    strategy_id: StrategyId = ""
    valid_until_us: Microseconds | None = None


class Leg(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order of a basket: a placement without a head of its own."""

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
    disclosed_quantity: Disclosed = 0
    market_protection: Protection | None = None
    variety: Variety = "regular"
    algo_id: Annotated[str, Meta(max_length=32)] = ""
    iceberg_legs: Annotated[int, Meta(ge=2, le=50)] | None = None
    iceberg_quantity: Quantity | None = None
    auction_number: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z-]{1,20}\Z")] | None = None
    autoslice: bool = False
    on_partial: OnPartial = "keep"
