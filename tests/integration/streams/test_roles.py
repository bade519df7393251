"""Each role does its own work with its own user, and none of another's."""

from __future__ import annotations

from contextlib import asynccontextmanager

import numpy as np
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from deploy.local.servers import redis_server
from shared.clock import ManualClock
from shared.errors import StreamError
from shared.streams import groups, hygiene, published, weights
from shared.streams.client import connect, ping
from shared.streams.leases import acquire
from shared.streams.limiter import Granted, RateLimiter, Window
from shared.streams.reader import GroupReader, TailReader
from shared.streams.settings import RedisSettings
from shared.streams.writer import Append, StreamWriter
from shared.wire.chains import OPENING_OI_DTYPE
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.shards import ShardMap
from shared.wire.ticks import TICK, TICK_DTYPE
from shared.wire.topics import COMMANDS, CONTROL, ENRICHED_TICKS, EVENTS, GAPS, RAW_TICKS

pytestmark = pytest.mark.integration

ACCOUNT = "AB1234"
STREAM_OF_COMMANDS = COMMANDS.name(ACCOUNT)


@asynccontextmanager
async def as_role(server, role):
    url = server.url_for(role)
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name=role, settings=settings) as redis:
        await ping(redis)
        yield redis


def reader_of(redis, stream, group):
    return GroupReader(redis, [stream], group, "one", count_max=10, block_ms=20)


async def write(redis, topic, part=""):
    await StreamWriter(redis, ManualClock()).append([Append(topic, part, {b"json": b"{}"})])


async def test_ingest_writes_ticks_gaps_hints_and_publishes_the_market(ticks_redis):
    async with as_role(ticks_redis, "ingest") as redis:
        await write(redis, RAW_TICKS, 0)
        await write(redis, GAPS)
        await write(redis, CONTROL)
        await published.put_instruments(redis, 1, np.zeros(1, INSTRUMENT_DTYPE))
        await published.put_shard_map(redis, ShardMap(version=1, shards=1, underlyings={}))
        await published.put_layouts(redis, [TICK])
        assert await acquire(redis, "ingest.AB1234", "one", 10.0, clock=ManualClock())


async def test_enrich_reads_raw_ticks_gives_up_bad_ones_and_writes_its_own(ticks_redis):
    async with as_role(ticks_redis, "ingest") as redis:
        await write(redis, RAW_TICKS, 0)
        await write(redis, RAW_TICKS, 0)
    async with as_role(ticks_redis, "enrich") as redis:
        reader = reader_of(redis, "ticks.raw.v1.0", "enrich")
        await reader.ensure()
        bad, good = await reader.read()
        await write(redis, ENRICHED_TICKS, 0)
        await reader.acknowledge([good])
        await reader.dead_letter(bad, "bad", attempts=1)
        assert await reader.claim_abandoned(0) == []
        assert await reader.lag_s("ticks.raw.v1.0", 0) == 0.0
        await published.put_last(redis, 0, np.zeros(1, TICK_DTYPE))
        assert (await published.get_instruments(redis))[0] == 0
        assert await acquire(redis, "enrich.shard.0", "one", 10.0, clock=ManualClock())


async def test_enrich_counts_packets_and_keeps_opening_interest_which_ingest_and_itself_read(
    ticks_redis,
):
    async with as_role(ticks_redis, "enrich") as redis:
        await weights.add(redis, 20261127, {"NIFTY": 5})
        await published.put_opening_oi(redis, 0, np.zeros(1, OPENING_OI_DTYPE))
        assert len(await published.get_opening_oi(redis, 0)) == 1
    async with as_role(ticks_redis, "ingest") as redis:
        assert await weights.read(redis) == {"NIFTY": {20261127: 5}}
        with pytest.raises(StreamError, match="permission"):
            await published.get_opening_oi(redis, 0)
    async with as_role(ticks_redis, "client-read") as redis:
        with pytest.raises(StreamError, match="permission"):
            await weights.add(redis, 20261127, {"NIFTY": 5})


async def test_publisher_and_consumers_read_what_enrich_wrote(ticks_redis):
    async with as_role(ticks_redis, "enrich") as redis:
        await write(redis, ENRICHED_TICKS, 0)
        await published.put_last(redis, 0, np.zeros(1, TICK_DTYPE))
    for role in ("publisher", "client-read", "executor"):
        async with as_role(ticks_redis, role) as redis:
            tail = TailReader(redis, {"ticks.enriched.v1.0": "0"}, block_ms=20)
            assert len(await tail.read()) == 1
            assert len(await published.get_last(redis, 0)) == 1
            assert await published.get_shard_map(redis) is None


async def test_reader_of_ticks_cannot_write_them(ticks_redis):
    async with as_role(ticks_redis, "client-read") as redis:
        with pytest.raises(StreamError, match="permission"):
            await write(redis, ENRICHED_TICKS, 0)


async def test_executor_takes_commands_of_a_producer_and_answers_with_events(orders_redis):
    async with as_role(orders_redis, "producer") as redis:
        await write(redis, COMMANDS, ACCOUNT)
        await write(redis, COMMANDS, ACCOUNT)
    async with as_role(orders_redis, "executor") as redis:
        reader = reader_of(redis, COMMANDS.name(ACCOUNT), "executor")
        good, bad = await reader.read()
        await write(redis, EVENTS, ACCOUNT)
        await reader.acknowledge([good])
        await reader.dead_letter(bad, "bad", attempts=1)
        limiter = RateLimiter(redis, {"order": (Window("second", 1, 10),)})
        assert isinstance(await limiter.take(ACCOUNT, "order"), Granted)
        assert await acquire(redis, "executor.AB1234", "one", 10.0, clock=ManualClock())
    async with as_role(orders_redis, "producer") as redis:
        tail = TailReader(redis, {EVENTS.name(ACCOUNT): "0"}, block_ms=20)
        assert len(await tail.read()) == 1


async def test_operator_trims_what_the_journal_has_taken(orders_redis):
    async with as_role(orders_redis, "producer") as redis:
        await write(redis, COMMANDS, ACCOUNT)
    async with as_role(orders_redis, "executor") as redis:
        reader = reader_of(redis, COMMANDS.name(ACCOUNT), "executor")
        await reader.acknowledge(await reader.read())
    async with as_role(orders_redis, "ops") as redis:
        await hygiene.trim_taken(redis, COMMANDS.name(ACCOUNT))
        reaped = await hygiene.reap_consumers(
            redis, COMMANDS.name(ACCOUNT), "executor", idle_ms_min=0
        )
        assert reaped == 1


@pytest.mark.parametrize("role", ["ingest", "enrich", "publisher", "client-read"])
async def test_only_a_producer_may_command(orders_redis, role):
    async with as_role(orders_redis, role) as redis:
        with pytest.raises(StreamError, match="permission"):
            await write(redis, COMMANDS, ACCOUNT)


async def test_redis_of_orders_holds_after_a_restart_what_scripts_and_groups_changed(tmp_path):
    """Both are transactions in its file, which a server may drop when it reads them."""
    limits = {"order": (Window("day", 86_400, 3),)}
    async with redis_server("orders", tmp_path) as server, as_role(server, "executor") as redis:
        for _ in range(2):
            assert isinstance(await RateLimiter(redis, limits).take("AB1234", "order"), Granted)
        reader = reader_of(redis, STREAM_OF_COMMANDS, "executor")
        await reader.ensure()
        async with as_role(server, "producer") as producer:
            for _ in range(3):
                await write(producer, COMMANDS, ACCOUNT)
        taken = await reader.read()
        await StreamWriter(redis, ManualClock()).append(
            [Append(EVENTS, ACCOUNT, {b"json": b"{}"}) for _ in range(3)]
        )
    async with redis_server("orders", tmp_path) as server, as_role(server, "executor") as redis:
        assert await redis.xlen(EVENTS.name(ACCOUNT)) == 3
        rows = await groups.pending(
            redis, STREAM_OF_COMMANDS, "executor", idle_ms_min=0, count_max=9
        )
        assert [row.id for row in rows] == [entry.id for entry in taken]
        third = await RateLimiter(redis, limits).take("AB1234", "order")
        fourth = await RateLimiter(redis, limits).take("AB1234", "order")
        assert (isinstance(third, Granted), isinstance(fourth, Granted)) == (True, False)


async def test_nobody_comes_into_either_redis_without_a_name(ticks_redis, orders_redis):
    for server in (ticks_redis, orders_redis):
        # Left to itself the client asks four times, seconds apart.
        once = Retry(NoBackoff(), 0)
        plain = Redis(unix_socket_path=str(server.socket), protocol=2, driver_info=None, retry=once)
        with pytest.raises(AuthenticationError):
            await plain.ping()
        with pytest.raises(AuthenticationError):
            await plain.execute_command("AUTH", "default", "")
        await plain.aclose()
