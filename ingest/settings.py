"""What an operator may choose for ingest."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.accounts.settings import AccountSettings
from shared.kite.settings import KiteSettings
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.streams.settings import RedisSettings

Name = Annotated[str, Meta(pattern=r"\A[A-Z0-9&-]{1,24}\Z")]
Symbol = Annotated[str, Meta(pattern=r"\A[A-Z]{2,8}:[A-Z0-9 &_.-]{1,36}\Z")]


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
    recentre_strikes: Annotated[
        float, Meta(gt=0, le=100, description="steps the money may move before the window follows")
    ] = 2.0
    recentre_every_s: Annotated[
        float, Meta(ge=2, le=3600, description="how often the money is looked at, by REST")
    ] = 30.0
    symbols: Annotated[
        tuple[Symbol, ...], Meta(description="pinned instruments, e.g. NSE:INFY,NSE:RELIANCE")
    ] = ()
    mode: Annotated[
        Literal["ltp", "quote", "full"], Meta(description="what Kite sends; Greeks want full")
    ] = "full"
    shards: Annotated[
        int, Meta(ge=1, le=256, description="parts of the universe, each with one enrich owner")
    ] = 2
    buffers: Annotated[
        int, Meta(ge=3, le=1024, description="MiB per shard that may wait for Redis")
    ] = 32
    instruments_every_s: Annotated[
        float, Meta(ge=60, le=86_400, description="how often the instruments dump is fetched")
    ] = 21_600.0
    shrinkage_max: Annotated[
        float,
        Meta(gt=0, le=1, description="a dump that lost this share of its rows is half a dump"),
    ] = 0.5


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of `python -m ingest`."""

    redis: RedisSettings
    account: AccountSettings
    kite: KiteSettings = KiteSettings()
    ingest: IngestOptions = IngestOptions()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()
