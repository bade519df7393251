"""The other side of the topics: what ingest writes, what consumers read, what Kafka knows."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import numpy as np
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from enrich.scaleout.hosting import APP_ID
from shared.clock import Clock
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.kafka_client import ensure_topics, options
from shared.streams.kafka_reader import KafkaTailReader
from shared.streams.kafka_writer import KafkaWriter
from shared.streams.writer import Append
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE, TICK_DTYPE
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS
from tests.support.eventually import eventually
from tests.support.kafka_cluster import Cluster
from tests.support.kite_market import header, instruments, segments

SHARDS = 2


class KafkaMarket:
    """Writes raw ticks, reads enriched ones from where the test began."""

    def __init__(self, redis: Connection, kafka: Cluster, clock: Clock) -> None:
        self.redis = redis
        self.kafka = kafka
        self.settings = kafka.settings()
        self.writer = KafkaWriter(self.settings, clock, name="market")
        self._clock = clock
        begin = {ENRICHED_TICKS.name(shard): "0" for shard in range(SHARDS)}
        self._reader = KafkaTailReader(
            self.settings, begin, clock=clock, count_max=500, block_ms=50
        )
        self.seen: dict[int, list[tuple[np.void, np.ndarray]]] = defaultdict(list)

    async def publish(self, version: int = 7) -> None:
        shard_map = ShardMap(version=1, shards=SHARDS, underlyings={"INFY": 1})
        await published.put_shard_map(self.redis, shard_map)
        await published.put_instruments(self.redis, version, instruments())
        await ensure_topics(self.settings, SHARDS, "market")

    async def close(self) -> None:
        await self._reader.close()
        await self.writer.close()

    async def say(self, *packets: bytes, shard: int = 1, head: bytes | None = None) -> None:
        """Write one raw message, as received now."""
        raw = segments(packets, at_ns=self._clock.now_ns())
        fields = {b"h": header(len(packets)) if head is None else head, b"s": raw}
        await self.writer.append([Append(RAW_TICKS, shard, fields)])

    async def read(self) -> None:
        """Take in what was written since."""
        for entry in await self._reader.read():
            head = np.frombuffer(entry.fields[b"h"], BATCH_HEADER_DTYPE)[0]
            records = np.frombuffer(entry.fields[b"r"], TICK_DTYPE)
            self.seen[int(entry.stream.rsplit(".", 1)[1])].append((head, records))

    async def prices(self, shard: int = 1) -> list[float]:
        await self.read()
        return [float(p) for _, records in self.seen[shard] for p in records["last_price"]]

    async def until_price(self, price: float, shard: int = 1, *, within_s: float = 30.0) -> None:
        async def found() -> bool:
            return price in await self.prices(shard)

        await eventually(found, within_s=within_s)

    async def committed(self) -> dict[int, int]:
        """Return what the group has committed, asked of Kafka itself."""
        admin = AIOKafkaAdminClient(**options(self.settings, "admin"))
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(APP_ID)
        finally:
            await admin.close()
        return {
            place.partition: at.offset
            for place, at in found.items()
            if place.topic == RAW_TICKS.prefix and at.offset >= 0
        }

    async def until_committed(self, shard: int, offset: int, *, within_s: float = 30.0) -> None:
        """Wait until everything before `offset` is committed: the lag is zero."""

        async def there() -> bool:
            try:
                return (await self.committed()).get(shard, 0) >= offset
            except (KafkaError, TimeoutError):
                return False

        await eventually(there, within_s=within_s, every_s=0.2)


async def end_of(market: KafkaMarket, shard: int) -> int:
    """Return the offset behind the last raw message."""
    from aiokafka import AIOKafkaConsumer

    place = TopicPartition(RAW_TICKS.prefix, shard)
    consumer = AIOKafkaConsumer(**options(market.settings, "ends"))
    await consumer.start()
    try:
        return int((await consumer.end_offsets([place]))[place])
    finally:
        await asyncio.wait_for(consumer.stop(), 5)
