"""The two logs a tape is sent through, each told and asked in the same words."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.redis import RedisServer
from deploy.local.servers import redis_server
from shared.clock import SystemClock
from shared.streams import published
from shared.streams.client import Connection, call, connect
from shared.streams.kafka_client import ensure_topics, options
from shared.streams.kafka_settings import KafkaSettings
from shared.streams.kafka_writer import KafkaWriter
from shared.streams.settings import RedisSettings
from shared.streams.writer import StreamWriter, Writer
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS
from tests.benchmarks.load.entries import Listed
from tests.benchmarks.load.processes import cpu_s
from tests.support.kafka_cluster import cluster

APP = "tickflow-bench"


class Log(Protocol):
    """A log with the market published beside it."""

    name: str
    writer: Writer
    #: What an enrichment worker has to be told to read and write here.
    environment: dict[str, str]

    async def written(self) -> int:
        """Return how many enriched entries there are, of all shards."""
        ...

    async def newest_ms(self) -> int:
        """Return when the newest enriched entry was written, Unix milliseconds."""
        ...

    def cpu_s(self) -> float:
        """Return the CPU seconds of the log's own process."""
        ...


class RedisLog:
    """Streams of one Redis."""

    name = "redis"

    def __init__(self, server: RedisServer, redis: Connection, shards: int) -> None:
        self.redis = redis
        self._pid = server.child.identity.pid
        self.streams = [ENRICHED_TICKS.name(shard) for shard in range(shards)]
        self._raw = [RAW_TICKS.name(shard) for shard in range(shards)]
        self.writer: Writer = StreamWriter(redis, SystemClock())
        url = server.url_for("enrich").reveal()
        self.environment = {"TICKFLOW_REDIS__TICKS_URL": url, "TICKFLOW_REDIS__ORDERS_URL": url}

    async def written(self) -> int:
        return sum([await call(self.redis, "XLEN", "XLEN", each) for each in self.streams])

    async def newest_ms(self) -> int:
        newest = [
            await call(self.redis, "XREVRANGE", "XREVRANGE", each, "+", "-", "COUNT", 1)
            for each in self.streams
        ]
        return max(int(found[0][0].split(b"-")[0]) for found in newest)

    async def forget(self) -> None:
        """Make room: only this much memory is there."""
        for each in (*self.streams, *self._raw):
            await call(self.redis, "XTRIM", "XTRIM", each, "MAXLEN", 0)

    def cpu_s(self) -> float:
        return cpu_s(self._pid)


class KafkaLog:
    """Topics of one broker; what is small stays in the Redis."""

    name = "kafka"

    def __init__(self, beside: RedisLog, settings: KafkaSettings, pid: int, shards: int) -> None:
        self._pid = pid
        self._settings = settings
        self._places = [TopicPartition(ENRICHED_TICKS.prefix, shard) for shard in range(shards)]
        self._consumer = AIOKafkaConsumer(
            **options(settings, APP), enable_auto_commit=False, fetch_max_wait_ms=100
        )
        self.writer: Writer = KafkaWriter(settings, SystemClock(), name=APP)
        self.environment = {
            **beside.environment,
            "TICKS_BACKEND": "kafka",
            "TICKFLOW_KAFKA__SERVERS": settings.servers,
            "TICKFLOW_KAFKA__REPLICATION": "1",
            "TICKFLOW_KAFKA__COMPRESSION": settings.compression,
        }

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[KafkaLog]:
        await self._consumer.start()
        try:
            self._consumer.assign(self._places)
            yield self
        finally:
            await self._consumer.stop()
            await self.writer.close()  # type: ignore[attr-defined]

    async def written(self) -> int:
        ends = await self._consumer.end_offsets(self._places)
        return sum(ends.values())

    async def newest_ms(self) -> int:
        ends = await self._consumer.end_offsets(self._places)
        newest = []
        for place, end in ends.items():
            if end:
                self._consumer.seek(place, end - 1)
                newest.append((await self._consumer.getone(place)).timestamp)
        return max(newest)

    def cpu_s(self) -> float:
        return cpu_s(self._pid)


@contextlib.asynccontextmanager
async def redis_log(directory: Path, listed: Listed) -> AsyncIterator[RedisLog]:
    """Run a Redis with the market published."""
    async with redis_server("ticks", directory) as server:
        url = server.url_for("ops")
        settings = RedisSettings(ticks_url=url, orders_url=url)
        async with connect(url, name=APP, settings=settings) as redis:
            await published.put_shard_map(redis, listed.shard_map)
            await published.put_instruments(redis, 1, listed.records)
            yield RedisLog(server, redis, listed.shard_map.shards)


@contextlib.asynccontextmanager
async def kafka_log(directory: Path, beside: RedisLog, **more: Any) -> AsyncIterator[KafkaLog]:
    """Run a broker of one node beside a Redis that has the market."""
    shards = len(beside.streams)
    with cluster(directory) as made:
        await made.start()
        settings = made.settings(**more)
        await ensure_topics(settings, shards, APP)
        async with KafkaLog(beside, settings, made.brokers[0].pid, shards).connected() as log:
            yield log
