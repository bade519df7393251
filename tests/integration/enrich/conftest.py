"""Enrichment workers between raw ticks that a test writes and the records it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import numpy as np
import pytest

from enrich.engine import Derived
from enrich.settings import EnrichOptions, EnrichSettings
from enrich.warming import warm_up
from enrich.worker import GROUP, EnrichWorker
from shared.clock import SystemClock
from shared.streams import published
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE, TICK_DTYPE
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS, dead
from tests.support.eventually import eventually
from tests.support.kite_market import header, instruments, segments
from tests.support.restartable_redis import RestartableRedis, restartable_redis


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:
    """Compile before a test's clock runs, as a worker does before it says that it is ready."""
    options = EnrichOptions()
    warm_up(options.pricing, Derived(options.chains, options.bars))


class Market:
    """The other side of the streams: what ingest writes, what consumers read."""

    def __init__(self, redis) -> None:
        self.redis = redis
        self._clock = SystemClock()

    async def publish(self, version: int = 7, listed=None) -> None:
        await published.put_shard_map(
            self.redis, ShardMap(version=1, shards=2, underlyings={"INFY": 1})
        )
        listed = instruments() if listed is None else listed
        await published.put_instruments(self.redis, version, listed)

    async def say(self, *packets: bytes, shard: int = 1, head: bytes | None = None) -> str:
        """Write one raw entry, as received now; return its id."""
        raw = segments(packets, at_ns=self._clock.now_ns())
        fields = {b"h": header(len(packets)) if head is None else head, b"s": raw}
        # Not through a StreamWriter: it remembers its streams, which a restart makes others.
        entry_id: bytes = await self.redis.xadd(RAW_TICKS.name(shard), fields)
        return entry_id.decode()

    async def batches(self, shard: int = 1) -> list[tuple[np.void, np.ndarray]]:
        return [
            (
                np.frombuffer(fields[b"h"], BATCH_HEADER_DTYPE)[0],
                np.frombuffer(fields[b"r"], TICK_DTYPE),
            )
            for _, fields in await self.redis.xrange(ENRICHED_TICKS.name(shard))
        ]

    async def prices(self, shard: int = 1) -> list[float]:
        return [
            float(price)
            for _, records in await self.batches(shard)
            for price in records["last_price"]
        ]

    async def until_price(self, price: float, shard: int = 1, *, within_s: float = 5.0) -> None:
        async def seen() -> bool:
            return price in await self.prices(shard)

        await eventually(seen, within_s=within_s)

    async def pending(self, shard: int = 1) -> int:
        return int((await self.redis.xpending(RAW_TICKS.name(shard), GROUP))["pending"])

    async def until_done(self, shard: int = 1) -> None:
        async def nothing_pending() -> bool:
            return await self.pending(shard) == 0

        await eventually(nothing_pending)

    async def dead_letters(self, shard: int = 1) -> list[dict[bytes, bytes]]:
        entries = await self.redis.xrange(dead(RAW_TICKS.name(shard)))
        return [fields for _, fields in entries]


Start = Callable[..., AbstractAsyncContextManager[EnrichWorker]]


@pytest.fixture
async def server(server_directory, tmp_path_factory) -> AsyncIterator[RestartableRedis]:
    directory = server_directory / tmp_path_factory.mktemp("e").name
    directory.mkdir()
    with restartable_redis(directory) as found:
        await found.start()
        yield found


@pytest.fixture
async def market(server: RestartableRedis) -> AsyncIterator[Market]:
    async with connect(server.url, name="market", settings=server.settings) as redis:
        made = Market(redis)
        await made.publish()
        yield made


@pytest.fixture
def start(server: RestartableRedis) -> Start:
    """Give `start(name, **options)`: a worker for the length of an `async with`."""

    @asynccontextmanager
    async def running(name: str = "one", **options: object) -> AsyncIterator[EnrichWorker]:
        settings = EnrichSettings(
            redis=RedisSettings(ticks_url=server.url, orders_url=server.url, answer_timeout_s=5),
            enrich=EnrichOptions(
                **{"lease_s": 1.0, "block_ms": 20, "last_every_s": 0.05, "name": name, **options}
            ),
        )
        async with AsyncExitStack() as stack:
            redis = await stack.enter_async_context(
                connect(server.url, name=name, settings=settings.redis)
            )
            worker = EnrichWorker(redis, settings.enrich, name, SystemClock())
            stopping = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run(stopping), name=name)
                await eventually(lambda: _is_up(worker), within_s=20)
                yield worker
                stopping.set()

    return running


async def _is_up(worker: EnrichWorker) -> bool:
    return (await worker.ready()).ok
