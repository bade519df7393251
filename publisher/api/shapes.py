"""What /v1 answers, as types."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from shared.wire.orders import OrderEvent, Reason

T = TypeVar("T")

Until = Literal["received", "accepted", "final"]


class ErrorBody(Struct, frozen=True, kw_only=True):
    """Why a request was not carried out; `field` is the part of the request it is about."""

    code: str
    message: str
    field: str = ""
    request_id: str = ""


class Error(Struct, frozen=True, kw_only=True):
    """The only shape of an error."""

    error: ErrorBody


class One(Struct, Generic[T], frozen=True, kw_only=True):
    """One thing."""

    data: T


class Many(Struct, Generic[T], frozen=True, kw_only=True):
    """A page of things; `next` is the cursor of the page after it, null on the last."""

    data: list[T]
    next: str | None = None


class Receipt(Struct, frozen=True, kw_only=True):
    """A command that was handed on.

    `state` is SENT until the executor is heard of: then it is that of `event`, the newest one.
    """

    account: str
    command_id: str
    state: str
    event: OrderEvent | None = None


class CommandView(Struct, frozen=True, kw_only=True):
    """A command as the journal has it; `command` is what was asked, field for field."""

    account: str
    command_id: str
    kind: str
    state: str
    is_open: bool
    strategy_id: str
    target_command_id: str | None
    order_id: str | None
    tag: str | None
    attempts: int
    reason: Reason | None
    received_us: int
    sending_us: int | None
    changed_us: int
    valid_until_us: int | None
    command: dict[str, Any]


class BrokerOrderView(Struct, frozen=True, kw_only=True):
    """An order of the broker as last seen; `command_id` is null where it is not one of ours."""

    account: str
    order_id: str
    command_id: str | None
    origin: str
    status: str
    is_terminal: bool
    filled: int
    version: str
    modifications: int
    observed_us: int
    seen: Any


class OrderView(Struct, frozen=True, kw_only=True):
    """A placement with the broker's orders that came of it."""

    placed: CommandView
    orders: list[BrokerOrderView]


class OrderStory(Struct, frozen=True, kw_only=True):
    """A placement, the broker's orders that came of it, every step of its way."""

    placed: CommandView
    orders: list[BrokerOrderView]
    events: list[OrderEvent]


class InstrumentView(Struct, frozen=True, kw_only=True):
    """A published instrument; `expiry` is null where there is none, `strike` unless an option."""

    instrument_token: int
    underlying_token: int
    exchange: str
    tradingsymbol: str
    underlying: str
    kind: Literal["equity", "index", "future", "call", "put"]
    strike: float | None
    tick_size: float
    lot_size: int
    expiry: str | None
    shard: int


class WantView(Struct, frozen=True, kw_only=True):
    """An instrument that the key wants to be subscribed to."""

    symbol: str
    mode: Literal["ltp", "quote", "full"]
    priority: int
    reason: str
    expires_us: int | None
    changed_us: int


class Wanted(Struct, frozen=True, kw_only=True):
    """What a request changed: new wants, replaced ones, removed ones."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    #: Why ingest could not be told at once; it notices at its next look all the same.
    note: str = ""


class WantBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instruments to be subscribed to at the broker, by `EXCHANGE:TRADINGSYMBOL`."""

    symbols: Annotated[
        tuple[Annotated[str, Meta(pattern=r"\A[A-Z]{2,8}:[^:\s][^:]{0,39}\Z")], ...],
        Meta(min_length=1, max_length=1000),
    ]
    mode: Literal["ltp", "quote", "full"] = "full"
    priority: Annotated[int, Meta(ge=0, le=100)] = 50
    reason: Annotated[str, Meta(max_length=200)] = ""
    #: Unix microseconds; null: until removed.
    expires_us: Annotated[int, Meta(ge=1_000_000_000_000_000, le=5_000_000_000_000_000)] | None = (
        None
    )


class Me(Struct, frozen=True, kw_only=True):
    """Whose key it is, what it opens here."""

    name: str
    scopes: list[str]
    reads_accounts: list[str]
    trades_accounts: list[str]
    #: Whether this publisher reads the journal: without it there are no past commands or events.
    has_journal: bool
    server_time_us: int


class Hop(Struct, frozen=True, kw_only=True):
    """How long a step of a tick's way takes, over the shards, in seconds; null: not known."""

    hop: Literal["exchange_to_ingest", "ingest_to_enriched", "ingest_to_publisher"]
    mean_s: float | None
    worst_s: float | None


class ShardVitals(Struct, frozen=True, kw_only=True):
    """How old a shard's newest entry is; `fence` grows when another enrich takes the shard."""

    shard: int
    age_s: float
    fence: int


class Vitals(Struct, frozen=True, kw_only=True):
    """How the pipeline does, seen from the publisher, a second ago at most."""

    at_us: int
    upstream: bool
    records_per_s: float
    subscribers: int
    instruments: int
    hops: list[Hop]
    shards: list[ShardVitals]
    order_sequences: dict[str, int]


class Shards(Struct, frozen=True, kw_only=True):
    """The shard map as it is published."""

    version: int
    shards: int
    underlyings: dict[str, int]


Layouts = dict[str, Any]
ENCODER = msgspec.json.Encoder(decimal_format="string")
