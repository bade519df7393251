"""Entries larger than Kafka takes: made smaller where that can be, else kept for the operator."""

from __future__ import annotations

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.clock import SystemClock
from shared.streams.dead_letters import DeadLetter, of_entry
from shared.streams.entry import Entry
from shared.streams.ids import parse
from shared.streams.kafka_client import options
from shared.streams.writer import Append, StreamWriter
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS, dead
from tests.kafka.test_contract import BRIDGE, bridge_environment
from tests.kafka.test_faults import PATIENCE_S
from tests.support import kite_frames
from tests.support.eventually import eventually
from tests.support.kafka_market import end_of
from tests.support.kafka_workers import kafka_environment
from tests.support.kite_market import SHARE, header, packet, segments
from tests.support.workers import worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
#: What a topic takes that nobody has told anything.
KAFKAS_OWN_LIMIT = 1_048_588
SHORT_PACKETS = 30_000


async def limit(market, topic: str, size_bytes: int) -> None:
    """Let a topic take messages of so many bytes at most."""
    admin = AIOKafkaAdminClient(**options(market.settings, "admin"))
    await admin.start()
    try:
        told = {"max.message.bytes": str(size_bytes)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, told)])
    finally:
        await admin.close()


async def letters(market, stream: str) -> list[DeadLetter]:
    """Return the dead letters of a stream, once there is one."""
    found: list[DeadLetter] = []

    async def kept() -> bool:
        rows = await market.redis.xrange(dead(stream))
        found[:] = [of_entry(Entry("dead", parse(row_id), fields)) for row_id, fields in rows]
        return bool(found)

    await eventually(kept, within_s=PATIENCE_S)
    return found


async def test_many_short_packets_come_out_whole_through_a_kafka_of_default_limits(
    server, market, tmp_path
) -> None:
    await limit(market, ENRICHED_TICKS.prefix, KAFKAS_OWN_LIMIT)
    async with worker("enrich", kafka_environment(server, market.kafka), tmp_path) as one:
        short = [kite_frames.ltp(SHARE, 100 + n) for n in range(SHORT_PACKETS)]
        await market.say(*short)
        last = (100 + SHORT_PACKETS - 1) / 100
        await market.until_price(last, within_s=PATIENCE_S)
        assert await market.prices() == [(100 + n) / 100 for n in range(SHORT_PACKETS)]
        sequences = [int(head["sequence"]) for head, _ in market.seen[1]]
        assert sequences == list(range(len(sequences)))
        assert await one.drain() == 0
    await market.until_committed(1, await end_of(market, 1))


async def test_entry_beyond_a_topics_limit_is_kept_with_the_reason_and_the_others_go_on(
    server, market, tmp_path
) -> None:
    await limit(market, ENRICHED_TICKS.prefix, 100_000)
    async with worker("enrich", kafka_environment(server, market.kafka), tmp_path) as one:
        await market.say(packet(SHARE, 1.0))
        await market.say(*[packet(SHARE, 2.0 + n / 100) for n in range(500)])
        await market.say(packet(SHARE, 99.0))
        await market.until_price(99.0, within_s=PATIENCE_S)
        assert await market.prices() == [1.0, 99.0]
        (letter,) = await letters(market, ENRICHED_TICKS.name(1))
        assert "max.message.bytes" in letter.reason
        assert len(letter.fields[b"r"]) == 500 * 392
        await market.until_committed(1, 3)
        assert await one.drain() == 0


async def test_bridge_keeps_an_entry_that_kafka_refuses_and_carries_the_others(
    server, market, tmp_path
) -> None:
    await limit(market, RAW_TICKS.prefix, 100_000)
    written = []
    for ticks in (1, 1_000, 1):
        raw = segments([packet(SHARE, 1.0)] * ticks)
        append = Append(RAW_TICKS, 1, {b"h": header(ticks), b"s": raw})
        written += await StreamWriter(market.redis, SystemClock()).append([append])
    async with worker(BRIDGE, bridge_environment(server, market), tmp_path) as bridge:
        (letter,) = await letters(market, RAW_TICKS.name(1))
        assert letter.id == written[1]
        assert "max.message.bytes" in letter.reason

        async def others() -> bool:
            return await end_of(market, 1) == 2

        await eventually(others, within_s=PATIENCE_S, every_s=0.2)
        assert await bridge.drain() == 0
