"""What a client hears, as types."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from publisher.modes import ModeName
from publisher.requests import Policy
from shared.wire.control import Gap
from shared.wire.orders import OrderEvent


class Refusal(Struct, frozen=True):
    """One thing asked for that is not given; `reason` is one of a closed set."""

    what: str
    reason: Literal[
        "unknown_instrument",
        "unknown_underlying",
        "unknown_account",
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
    """What a subscribe changed, with everything refused by name."""

    accepted: Accepted
    refused: list[Refusal]
    snapshot_id: int
    recovered: bool = False


class Accepted(Struct, frozen=True, kw_only=True):
    """What is in force: underlyings with their number of instruments, accounts with the sequence.

    The next event of an account has a higher `sequence` than the one given here, -1 where none
    has been seen yet. `instruments` counts all that the connection is subscribed to now.
    """

    tokens: list[int]
    underlyings: dict[str, int]
    mode: ModeName | None
    orders: dict[str, int]
    gaps: bool
    policy: Policy
    instruments: int


class Unsubscribed(_Reply, frozen=True, kw_only=True, tag="unsubscribed"):
    """What is left after an unsubscribe."""

    instruments: int
    orders: list[str]
    gaps: bool
    refused: list[Refusal]


class UnderlyingChanged(_Reply, frozen=True, kw_only=True, tag="underlying_changed"):
    """New instruments were listed on a subscribed underlying; `refused` did not fit the quota."""

    underlying: str
    instruments: int
    refused: int


class Heartbeat(_Reply, frozen=True, kw_only=True, tag="heartbeat"):
    """We are here; `sequence` is the last record taken, `upstream` whether streams answer."""

    server_time_us: int
    sequence: int
    upstream: bool
    orders: dict[str, int]


class Order(_Reply, frozen=True, kw_only=True, tag="order"):
    """One step of an order command's way; `id` is its place in the account's stream."""

    id: str
    account: str
    event: OrderEvent


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
    | GapNotice
    | Skipped
    | Fault
)
