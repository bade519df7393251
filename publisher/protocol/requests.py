"""What a client says, as types."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from publisher.protocol.modes import ModeName

NAMES_MAX = 10_000
PATTERNS_MAX = 8
CHAINS_MAX = 100
INTERVALS_MAX = 8
MIN_INTERVAL_MS_MAX = 60_000
BUDGET_BYTES_MIN = 16 * 1024

Token = Annotated[int, Meta(ge=1, le=2**32 - 1)]
Interval = Annotated[int, Meta(ge=1, le=86_400)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Account = Annotated[str, Meta(pattern=r"\A[A-Z0-9]{2,16}\Z")]
Accounts = Annotated[tuple[Account, ...], Meta(max_length=100)]
#: `NIFTY` for every expiry there is, `NIFTY:2026-09-29` for one.
ChainName = Annotated[str, Meta(pattern=r"\A[^:\s]{1,40}(:\d{4}-\d{2}-\d{2})?\Z")]
Chains = Annotated[tuple[ChainName, ...], Meta(max_length=CHAINS_MAX)]
Shard = Annotated[str, Meta(pattern=r"\A[0-9]{1,5}\Z")]
EntryName = Annotated[str, Meta(pattern=r"\A[0-9]{1,20}-[0-9]{1,20}(/[0-9]{1,9})?\Z")]


class TickNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instruments by any of their names; an underlying means all that is listed on it.

    A pattern is `EXCHANGE:TRADINGSYMBOL` with `*` for any characters and `?` for one; it follows
    the instruments as they change, like an underlying.
    """

    tokens: Annotated[tuple[Token, ...], Meta(max_length=NAMES_MAX)] = ()
    symbols: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    underlyings: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    patterns: Annotated[tuple[Name, ...], Meta(max_length=PATTERNS_MAX)] = ()
    mode: ModeName = "full"


class BarNames(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instruments whose bars are told as they are closed, for each of these intervals.

    Which intervals there are is the setting `enrich.bars.intervals_s`. An underlying means what is
    listed on it now.
    """

    tokens: Annotated[tuple[Token, ...], Meta(max_length=NAMES_MAX)] = ()
    symbols: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    underlyings: Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)] = ()
    intervals_s: Annotated[tuple[Interval, ...], Meta(min_length=1, max_length=INTERVALS_MAX)] = (
        60,
    )


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the ticks of the whole connection treat a reader that falls behind.

    `conflate`: the newest of each instrument. `skip`: every tick, up to a budget of unread bytes;
    past it what is unread is left out, told in a `skipped` message, followed by the newest of each
    instrument. `strict`: every tick, or the connection ends with code 4001.
    """

    mode: Literal["conflate", "skip", "strict"] = "conflate"
    min_interval_ms: Annotated[int, Meta(ge=0, le=MIN_INTERVAL_MS_MAX)] = 0
    budget_bytes: Annotated[int, Meta(ge=BUDGET_BYTES_MIN)] | None = None


class Resume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a client that comes back had come to, in what it was told.

    Under `conflate`: the `epoch` of the welcome, the highest `sequence`. Under the other policies:
    `at`, by shard. Of orders and updates: the last `id` of each account. Of bars, by shard:
    `bars_at` of the answer to the subscribe, the `at` of each message of bars merged into it.
    """

    epoch: Annotated[str, Meta(max_length=32)] = ""
    sequence: Annotated[int, Meta(ge=0, le=2**53)] = 0
    at: Annotated[dict[Shard, EntryName], Meta(max_length=4096)] = {}
    orders: Annotated[dict[Account, EntryName], Meta(max_length=100)] = {}
    updates: Annotated[dict[Account, EntryName], Meta(max_length=100)] = {}
    bars: Annotated[dict[Shard, EntryName], Meta(max_length=4096)] = {}


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op"):
    pass


class Auth(_Request, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="auth"):
    """Say who is there; `takeover` ends the oldest connection of a key that has its number."""

    key: Annotated[str, Meta(max_length=8192)]
    takeover: bool = False


class Subscribe(_Request, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="subscribe"):
    """Ask for more; an instrument already subscribed to takes the new mode."""

    ticks: TickNames | None = None
    bars: BarNames | None = None
    chains: Chains = ()
    orders: Accounts = ()
    updates: Accounts = ()
    gaps: bool | None = None
    policy: Policy | None = None
    snapshot: bool = True
    resume: Resume | None = None


class Unsubscribe(
    _Request, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="unsubscribe"
):
    """Ask for less; the mode is of no account."""

    ticks: TickNames | None = None
    bars: BarNames | None = None
    chains: Chains = ()
    orders: Accounts = ()
    updates: Accounts = ()
    gaps: bool | None = None


class Ping(_Request, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ping"):
    """Ask for a heartbeat at once."""


Request = Auth | Subscribe | Unsubscribe | Ping
