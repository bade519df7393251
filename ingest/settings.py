"""What an operator may choose for ingest."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ingest.universe import Window, Wish
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.settings import AccountSettings
from shared.kite.settings import KiteSettings
from shared.runtime.market_calendar import MarketSettings
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.secret import Secret
from shared.store.settings import PostgresSettings
from shared.streams.kafka_settings import KafkaSettings, TicksSettings
from shared.streams.settings import RedisSettings

Name = Annotated[str, Meta(pattern=r"\A[A-Z0-9&-]{1,24}\Z")]
Symbol = Annotated[str, Meta(pattern=r"\A[A-Z]{2,8}:[A-Z0-9 &_.-]{1,36}\Z")]
#: Underlying, strikes on either side or percent of the money or least delta or `all`, expiries.
WindowText = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Z0-9&-]{1,24}:"
        r"([0-9]{1,3}|[0-9]{1,2}(\.[0-9]{1,3})?%|0\.[0-4][0-9]{0,2}d|all):[0-9]{1,2}\Z"
    ),
]
WholeText = Annotated[str, Meta(pattern=r"\A[A-Z0-9&-]{1,24}:20[0-9]{2}-[01][0-9]-[0-3][0-9]\Z")]


AccountId = Annotated[str, Meta(pattern=r"\A[A-Z0-9]{2,16}\Z")]


class IngestAccount(AccountSettings, frozen=True, kw_only=True):
    """The account given by settings; others may be in a file or in PostgreSQL."""

    id: Annotated[
        str,
        Meta(
            pattern=r"\A[A-Z0-9]{2,16}\Z",
            description="Zerodha client id, as in stream names; empty: accounts of other sources",
        ),
    ] = ""
    api_key: Annotated[str, Meta(max_length=64, description="Kite Connect api_key")] = ""
    access_token: Annotated[
        Secret, Meta(description="the day's session token; dies at 06:00 IST")
    ] = Secret("")


class IngestPostgres(PostgresSettings, frozen=True, kw_only=True):
    """The database of wants and accounts; without it there are those of settings."""

    url: Annotated[
        Secret, Meta(description="postgresql:// URL; empty: no wants or accounts of PostgreSQL")
    ] = Secret("")
    connections_min: Annotated[
        int, Meta(ge=0, le=50, description="connections opened at start, kept open")
    ] = 1
    connections_max: Annotated[int, Meta(ge=2, le=50, description="most connections at a time")] = 3


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which instruments are wanted, how they are split, how much may wait."""

    underlyings: Annotated[
        tuple[Name, ...], Meta(description="options and futures of these, e.g. NIFTY,BANKNIFTY")
    ] = ("NIFTY", "BANKNIFTY")
    expiries: Annotated[
        int, Meta(ge=1, le=50, description="nearest expiries of each underlying")
    ] = 2
    strikes_each_side: Annotated[
        int, Meta(ge=0, le=500, description="strikes either side of the money; 0: every strike")
    ] = 20
    windows: Annotated[
        tuple[WindowText, ...],
        Meta(
            description="other windows, by underlying: strikes either side, percent of the money "
            "or least delta or all, then expiries, "
            "e.g. SENSEX:10:1,BANKEX:2.5%:3,NIFTY:0.05d:2,INFY:all:1"
        ),
    ] = ()
    whole_expiries: Annotated[
        tuple[WholeText, ...],
        Meta(description="expiries of which every strike is taken, e.g. NIFTY:2026-12-31"),
    ] = ()
    recentre_strikes: Annotated[
        float, Meta(gt=0, le=100, description="steps the money may move before the window follows")
    ] = 2.0
    recentre_every_s: Annotated[
        float, Meta(ge=0.5, le=3600, description="how often the money is looked at")
    ] = 1.0
    dwell_s: Annotated[
        float, Meta(ge=0, le=3600, description="seconds a window stays before it follows again")
    ] = 10.0
    symbols: Annotated[
        tuple[Symbol, ...], Meta(description="pinned instruments, e.g. NSE:INFY,NSE:RELIANCE")
    ] = ()
    mode: Annotated[
        Literal["ltp", "quote", "full"], Meta(description="what Kite sends; Greeks want full")
    ] = "full"
    accounts: Annotated[
        tuple[AccountId, ...],
        Meta(description="accounts to hold sockets of; empty: every enabled one that is known"),
    ] = ()
    name: Annotated[
        str, Meta(max_length=64, description="owner of leases; empty: host and process")
    ] = ""
    lease_s: Annotated[
        float, Meta(ge=1, le=60, description="a dead ingest's accounts are free after this long")
    ] = 5.0
    priority: Annotated[
        int, Meta(ge=0, le=100, description="of what these settings want beside other wants")
    ] = 50
    headroom: Annotated[
        int, Meta(ge=0, le=1000, description="instruments a socket keeps free for what moves")
    ] = 100
    give_back_s: Annotated[
        float, Meta(ge=0, le=3600, description="seconds an account that failed has to be well")
    ] = 30.0
    mode_dwell_s: Annotated[
        float, Meta(ge=0, le=3600, description="seconds until a mode nobody needs is given up")
    ] = 60.0
    wants_poll_s: Annotated[
        float, Meta(ge=0.5, le=300, description="longest time until a missed want is noticed")
    ] = 10.0
    market_silence_s: Annotated[
        float,
        Meta(ge=2, le=3600, description="seconds an open market may give a socket no tick at all"),
    ] = 10.0
    shards: Annotated[
        int, Meta(ge=1, le=256, description="parts of the universe, each with one enrich owner")
    ] = 2
    write_gap_ms: Annotated[
        float,
        Meta(ge=0, le=100, description="least time between two writes of ticks; frames join"),
    ] = 3.0
    buffers: Annotated[
        int, Meta(ge=3, le=1024, description="MiB per shard that may wait for Redis")
    ] = 32
    shrinkage_max: Annotated[
        float,
        Meta(gt=0, le=1, description="a dump that lost this share of its rows is half a dump"),
    ] = 0.5


def wish(options: IngestOptions) -> Wish:
    """Return which instruments are asked for; a window of its own wins over the general one."""
    windows = {
        name: Window(name, options.expiries, options.strikes_each_side)
        for name in options.underlyings
    }
    windows |= {each.underlying: each for each in map(_window, options.windows)}
    whole = (each.split(":") for each in options.whole_expiries)
    return Wish(
        windows=tuple(windows.values()),
        whole=tuple((name, int(on.replace("-", ""))) for name, on in whole),
        symbols=options.symbols,
    )


def _window(text: str) -> Window:
    name, size, expiries = text.split(":")
    if size.endswith("%"):
        return Window(name, int(expiries), percent=float(size[:-1]))
    if size.endswith("d"):
        return Window(name, int(expiries), delta=float(size[:-1]))
    return Window(name, int(expiries), each_side=0 if size == "all" else int(size))


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of `python -m ingest`."""

    redis: RedisSettings
    ticks: TicksSettings = TicksSettings()
    kafka: KafkaSettings = KafkaSettings()
    account: IngestAccount = IngestAccount()
    accounts: AccountsSettings = AccountsSettings()
    postgres: IngestPostgres = IngestPostgres()
    kite: KiteSettings = KiteSettings()
    market: MarketSettings = MarketSettings()
    ingest: IngestOptions = IngestOptions()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()
