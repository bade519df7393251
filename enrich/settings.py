"""What an operator may choose for an enrichment worker."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from enrich.bars import BarOptions
from enrich.chain import ChainOptions
from enrich.parameters import Parameters
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.streams.kafka_settings import KafkaSettings, TicksSettings
from shared.streams.settings import RedisSettings


class EnrichOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How shards are held and read."""

    name: Annotated[
        str,
        Meta(max_length=64, description="unique among enrichment workers; empty: host and pid"),
    ] = ""
    shards_max: Annotated[
        int, Meta(ge=0, le=1024, description="shards this worker takes; 0: every free one")
    ] = 0
    rebalance: Annotated[
        bool, Meta(description="give a shard up to a worker that carries less, by bytes a second")
    ] = True
    lease_s: Annotated[
        float, Meta(ge=1, le=60, description="a dead owner's shards are free after this long")
    ] = 3.5
    entries_max: Annotated[
        int, Meta(ge=1, le=1024, description="raw entries of one shard taken in one read")
    ] = 32
    block_ms: Annotated[
        int, Meta(ge=1, le=5000, description="longest wait for new entries in one read")
    ] = 200
    last_every_s: Annotated[
        float, Meta(gt=0, le=60, description="how often ticks.last is brought up to date")
    ] = 1.0
    late_after_s: Annotated[
        float, Meta(gt=0, le=600, description="older entries: only the newest per instrument")
    ] = 2.0
    commit_every_s: Annotated[
        float, Meta(ge=0.1, le=60, description="with Kafka: seconds between commits of offsets")
    ] = 1.0
    stall_after_s: Annotated[
        float,
        Meta(
            ge=5,
            le=3600,
            description="with Kafka: a worker that stands still so long with work waiting ends",
        ),
    ] = 60.0
    pricing: Parameters = Parameters()
    chains: ChainOptions = ChainOptions()
    bars: BarOptions = BarOptions()


class EnrichSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of `python -m enrich`."""

    redis: RedisSettings
    ticks: TicksSettings = TicksSettings()
    kafka: KafkaSettings = KafkaSettings()
    enrich: EnrichOptions = EnrichOptions()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()
