"""What a client hears, as types."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from publisher.protocol.modes import ModeName
from publisher.protocol.requests import Policy
from shared.wire.control import Gap
from shared.wire.orders import BrokerUpdate, OrderEvent


class Refusal(Struct, frozen=True):
    """One thing asked for that is not given; `reason` is one of a closed set."""

    what: str
    reason: Literal[
        "unknown_instrument",
        "unknown_underlying",
        "unknown_account",
        "unknown_chain",
        "too_many_patterns",
        "forbidden",
        "over_quota",
        "not_subscribed",
    ]


class _Reply(Struct, frozen=True, kw_only=True, tag_field="op"):
    pass


class Welcome(_Reply, frozen=True, kw_only=True, tag="welcome"):
    """The key was good. `epoch` names this publisher's run: sequences count within it."""

    name: str
    epoch: str
    server_time_us: int
    heartbeat_s: float
    instruments_max: int
    message_bytes_max: int


class Subscribed(_Reply, frozen=True, kw_only=True, tag="subscribed"):
    """What a subscribe changed, with everything refused by name.

    `offsets` name, by channel such as `orders:SB0001`, the entry after which its messages begin.
    `recovered`: nothing was missed of what `resume` named; `missed` are the channels of which
    something may have been: `ticks`, after which a whole snapshot follows, `bars`, `orders:SB0001`.
    """

    accepted: Accepted
    refused: list[Refusal]
    snapshot_id: int
    at: dict[str, str]
    offsets: dict[str, str]
    recovered: bool = False
    missed: list[str] = []
    #: By shard the entry of `bars.v1` after which the bars begin; empty while none are wanted, or
    #: where the newest of each come first: the last message of those says it.
    bars_at: dict[str, str] = {}


class Accepted(Struct, frozen=True, kw_only=True):
    """What is in force: underlyings with their number of instruments, accounts with the sequence.

    The next event of an account has a higher `sequence` than the one given here, -1 where none
    has been seen yet. `instruments` counts all that the connection is subscribed to now.
    """

    tokens: list[int]
    underlyings: dict[str, int]
    patterns: dict[str, int]
    chains: list[str]
    mode: ModeName | None
    orders: dict[str, int]
    updates: list[str]
    gaps: bool
    policy: Policy
    instruments: int
    #: Instruments whose bars are told, by interval in seconds.
    bars: dict[str, int] = {}


class Unsubscribed(_Reply, frozen=True, kw_only=True, tag="unsubscribed"):
    """What is left after an unsubscribe."""

    instruments: int
    chains: list[str]
    orders: list[str]
    updates: list[str]
    gaps: bool
    refused: list[Refusal]
    bars: dict[str, int] = {}


class UnderlyingChanged(_Reply, frozen=True, kw_only=True, tag="underlying_changed"):
    """What an underlying, or a pattern, stands for has changed; `refused` did not fit the quota."""

    underlying: str
    instruments: int
    refused: int


class Heartbeat(_Reply, frozen=True, kw_only=True, tag="heartbeat"):
    """We are here; `sequence` is the last record taken, `upstream` whether streams answer."""

    server_time_us: int
    sequence: int
    upstream: bool
    orders: dict[str, int]
    #: How far every shard has come, where each tick up to there has been told; else empty.
    at: dict[str, str] = {}


class Order(_Reply, frozen=True, kw_only=True, tag="order"):
    """One step of an order command's way; `id` is its place in the account's stream."""

    id: str
    account: str
    event: OrderEvent


class Update(_Reply, frozen=True, kw_only=True, tag="update"):
    """An order as the broker described it; `id` is its place in the account's stream."""

    id: str
    account: str
    update: BrokerUpdate


class ChainNotice(_Reply, frozen=True, kw_only=True, tag="chain"):
    """An option chain, whole or what changed, as in `chains.v1`; `id` is its place there."""

    id: str
    name: str
    chain: Raw


class Bar(Struct, frozen=True):
    """One closed bar: as in `bars.v1`, times in microseconds since 1970; `flags` of BarFlag."""

    instrument_token: int
    tradingsymbol: str
    start_us: int
    closed_at_us: int
    open: float
    high: float
    low: float
    close: float
    volume: int
    oi_open: int
    oi: int
    ticks: int
    late_ticks: int
    flags: int


class Bars(_Reply, frozen=True, kw_only=True, tag="bars"):
    """Bars of one interval, each told once as it is closed; `snapshot`: the newest closed of each.

    The bar that is still open is told by nobody: it is in the ticks.
    """

    interval_s: int
    snapshot: bool
    bars: list[Bar]
    #: By shard the entry of `bars.v1` up to which all that is wanted has been told; empty where
    #: more of the same entry follows.
    at: dict[str, str] = {}


class GapNotice(_Reply, frozen=True, kw_only=True, tag="gap"):
    """Some of the subscribed instruments were not covered for a while."""

    gap: Gap


class Skipped(_Reply, frozen=True, kw_only=True, tag="skipped"):
    """So many ticks were left out, unread for too long; the newest of `instruments` follow."""

    ticks: int
    instruments: int


class Fault(_Reply, frozen=True, kw_only=True, tag="error"):
    """A request was not carried out; the connection ends if a close follows."""

    code: str
    message: str


Reply = (
    Welcome
    | Subscribed
    | Unsubscribed
    | UnderlyingChanged
    | Heartbeat
    | Order
    | Update
    | ChainNotice
    | Bars
    | GapNotice
    | Skipped
    | Fault
)
