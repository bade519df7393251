"""Reads on behalf of others: what may be asked of the executor, and its answer.

A query is one entry of `queries.v1.<account>` with a single field `json` (or `msgpack`); its answer
is one entry of `replies.v1.<client>`, where `client` is the asker's own word. Data is Kite's own
JSON, untouched.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from shared.wire.order_fields import (
    Exchange,
    Microseconds,
    OrderId,
    OrderType,
    Product,
    Quantity,
    Side,
    Symbol,
    Variety,
)
from shared.wire.orders import Reason

QueryId = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9._:-]{1,64}\Z",
        description="the asker's own, repeated in the reply; 1 to 64 of A-Z a-z 0-9 . _ : -",
    ),
]
Client = Annotated[
    str,
    Meta(
        pattern=r"\A[a-z0-9][a-z0-9_-]{0,47}\Z",
        description="whose reply stream; 1 to 48 of a-z 0-9 _ -",
    ),
]
#: A name such as "NFO:NIFTY26AUGFUT".
Name = Annotated[str, Meta(pattern=r"\A[A-Z]{2,8}:.{1,64}\Z")]
#: The bounds are Kite's own. Source: kite.trade/docs/connect/v3/market-quotes (read 2026-11).
QuoteNames = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=500)]
PriceNames = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=1_000)]
Token = Annotated[int, Meta(ge=1, le=4_294_967_295)]
IndiaTime = Annotated[
    str,
    Meta(
        pattern=r"\A20[0-9]{2}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\Z",
        description='"YYYY-MM-DD HH:MM:SS" in India',
    ),
]
Interval = Literal[
    "minute", "3minute", "5minute", "10minute", "15minute", "30minute", "60minute", "day"
]
Segment = Literal["", "equity", "commodity"]
Rupees = Annotated[float, Meta(ge=0, le=1e9)]


class _Query(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    query_id: QueryId
    client: Client
    deadline_us: Microseconds | None = None


class Orders(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="orders"):
    """The order book of the day."""


class OrderHistory(
    _Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="order_history"
):
    """The steps of one order, oldest first."""

    order_id: OrderId


class Trades(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="trades"):
    """Every fill of the day."""


class OrderTrades(
    _Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="order_trades"
):
    """The fills of one order."""

    order_id: OrderId


class Positions(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="positions"):
    """Positions, `net` and `day`; closed ones stay with quantity 0."""


class Holdings(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="holdings"):
    """What lies in the demat account."""


class Auctions(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="auctions"):
    """Holdings that may be offered in today's auction."""


class Margins(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="margins"):
    """Cash and margins of both segments, or of one."""

    segment: Segment = ""


#: Orders in one call of Kite's calculators: a bound of ours, Kite names none.
_ORDERS_MAX = 100


class MarginOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order that is not placed, only reckoned."""

    exchange: Exchange
    tradingsymbol: Symbol
    transaction_type: Side
    variety: Variety
    product: Product
    order_type: OrderType
    quantity: Quantity
    price: Rupees = 0
    trigger_price: Rupees = 0


class ChargedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order as it was executed, for its charges."""

    order_id: OrderId
    exchange: Exchange
    tradingsymbol: Symbol
    transaction_type: Side
    variety: Variety
    product: Product
    order_type: OrderType
    quantity: Quantity
    average_price: Rupees


class OrderMargins(
    _Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="order_margins"
):
    """What each of some orders would need; `compact` for totals only."""

    orders: Annotated[tuple[MarginOrder, ...], Meta(min_length=1, max_length=_ORDERS_MAX)]
    compact: bool = False


class BasketMargins(
    _Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="basket_margins"
):
    """What some orders would need together."""

    orders: Annotated[tuple[MarginOrder, ...], Meta(min_length=1, max_length=_ORDERS_MAX)]
    consider_positions: bool = True
    compact: bool = False


class Charges(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="charges"):
    """What some executed orders cost: Kite's virtual contract note."""

    orders: Annotated[tuple[ChargedOrder, ...], Meta(min_length=1, max_length=_ORDERS_MAX)]


class Gtts(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gtts"):
    """GTTs: the active ones, the others of the last week."""


class Gtt(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="gtt"):
    """One GTT of any age."""

    trigger_id: Annotated[int, Meta(ge=1, le=9_007_199_254_740_991)]


class MfOrders(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_orders"):
    """Mutual-fund orders of the last week."""


class MfOrder(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_order"):
    """One mutual-fund order of any age."""

    order_id: OrderId


class MfSips(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_sips"):
    """Mutual-fund SIPs."""


class MfSip(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_sip"):
    """One mutual-fund SIP."""

    sip_id: OrderId


class MfHoldings(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_holdings"):
    """Mutual funds held."""


class MfInstruments(
    _Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_instruments"
):
    """Every mutual fund, as one string: Kite's CSV."""


class ProfileOf(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="profile"):
    """Whose account it is; proves that the session lives."""


class Quote(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="quote"):
    """Full quotes by name; names without data are absent."""

    instruments: QuoteNames


class Ohlc(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ohlc"):
    """The day's prices by name; names without data are absent."""

    instruments: PriceNames


class Ltp(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ltp"):
    """Last prices by name; names without data are absent."""

    instruments: PriceNames


class TriggerRange(
    _Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="trigger_range"
):
    """Where a cover order's trigger may lie, by name."""

    transaction_type: Side
    instruments: QuoteNames


class CandlesOf(_Query, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="candles"):
    """Past candles, both ends included; `continuous` for day candles of futures only."""

    instrument_token: Token
    interval: Interval
    begin: IndiaTime
    end: IndiaTime
    continuous: bool = False
    oi: bool = False


Query = (
    Orders
    | OrderHistory
    | Trades
    | OrderTrades
    | Positions
    | Holdings
    | Auctions
    | Margins
    | OrderMargins
    | BasketMargins
    | Charges
    | Gtts
    | Gtt
    | MfOrders
    | MfOrder
    | MfSips
    | MfSip
    | MfHoldings
    | MfInstruments
    | ProfileOf
    | Quote
    | Ohlc
    | Ltp
    | TriggerRange
    | CandlesOf
)

#: Every code a refusal may carry, with what it means.
REFUSALS: dict[str, str] = {
    "malformed": "the entry is no query; the sentence names field, value and rule",
    "busy": "too many queries of the same rate class are waiting: ask later",
    "rate_limited": "no turn within the budgets before the deadline, or Kite throttled",
    "deadline_passed": "the deadline passed before Kite answered, or before it was read",
    "auth_required": "the session is dead: log in",
    "broker_rejected": "Kite refused for certain; its own words, error type and status",
    "broker_unavailable": "Kite did not answer, several times",
    "reply_too_large": "the answer does not fit one entry: ask for less",
}


def _nothing() -> msgspec.Raw:
    return msgspec.Raw(b"null")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one query: `data` as Kite gave it at `as_of_us`, or `error`.

    `cached` is true where an answer given to somebody before was still fresh enough.
    """

    query_id: str
    kind: str
    account: str
    ok: bool
    at_us: int
    data: msgspec.Raw = msgspec.field(default_factory=_nothing)
    error: Reason | None = None
    as_of_us: int = 0
    cached: bool = False


def kind_of(query: Query) -> str:
    """Return the kind under which a query is sent."""
    return str(type(query).__struct_config__.tag)


#: Every kind with its message.
KINDS: dict[str, type[msgspec.Struct]] = {
    str(each.__struct_config__.tag): each for each in get_args(Query)
}
