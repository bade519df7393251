from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from enrich.backlog import DEAD_EVERY_S, PENDING_EVERY_S, DeadDepth, PendingDepth
from enrich.worker import GROUP
from shared.clock import ManualClock
from shared.streams import groups
from shared.streams.reader import CLAIMED_MAX
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS, dead
from tests.support.kite_market import SHARE, packet

pytestmark = pytest.mark.integration


def told(metric="dead_letters_entries", **labels):
    return REGISTRY.get_sample_value(f"tickflow_enrich_{metric}", labels)


async def test_dead_letters_of_held_shards_are_counted_again_once_it_is_time(market):
    redis, clock = market.redis, ManualClock()
    counting = DeadDepth(redis, clock)
    streams = [RAW_TICKS.name(0), RAW_TICKS.name(1), RAW_TICKS.name(2), ENRICHED_TICKS.name(1)]
    for stream, entries in zip(streams, (2, 1, 5, 3), strict=True):
        for _ in range(entries):
            await redis.xadd(dead(stream), {b"reason": b"poison"})
    await counting.count((0, 1))
    assert told() == 6
    await redis.delete(dead(RAW_TICKS.name(0)))
    await counting.count((0, 1))
    assert told() == 6, "not due yet"
    clock.advance(DEAD_EVERY_S)
    await counting.count((0, 1))
    assert told() == 4
    await counting.count((1, 2))
    assert told() == 9, "others are counted at once"


async def test_pending_entries_are_told_with_the_age_of_the_oldest_until_the_shard_is_gone(market):
    redis, clock, stream = market.redis, ManualClock(10**18), RAW_TICKS.name(1)
    looking = PendingDepth(redis, clock, GROUP)
    await groups.create(redis, stream, GROUP, "0")
    written_ms = clock.now_ns() // 1_000_000
    for number in range(3):
        await redis.xadd(stream, {b"s": b""}, id=f"{written_ms + number * 1000}-0")
    await looking.look((0, 1))
    assert told("pending_entries", shard="0") == 0, "of a shard without stream or group, too"
    assert told("pending_entries", shard="1") == 0, "written, not handed out"
    assert told("pending_age_seconds", shard="1") == 0
    await redis.xreadgroup(GROUP, "somebody", {stream: ">"})
    await redis.xack(stream, GROUP, f"{written_ms}-0")
    await looking.look((0, 1))
    assert told("pending_entries", shard="1") == 0, "not due yet"
    clock.advance(PENDING_EVERY_S)
    await looking.look((0, 1))
    assert told("pending_entries", shard="1") == 2
    assert told("pending_age_seconds", shard="1") == pytest.approx(PENDING_EVERY_S - 1, abs=0.01)
    clock.advance(PENDING_EVERY_S)
    await looking.look((0,))
    assert told("pending_entries", shard="1") is None


async def test_entries_trimmed_before_a_dead_workers_shard_is_taken_over_are_counted(market, start):
    redis, stream, before = market.redis, RAW_TICKS.name(1), told("trimmed_unread_total")
    await groups.create(redis, stream, GROUP, "0")
    trimmed = CLAIMED_MAX + 1  # a whole look finds nothing but what is gone
    for _ in range(trimmed):
        await redis.xadd(stream, {b"s": b""})
    await market.say(packet(SHARE, 3.0))
    await redis.xreadgroup(GROUP, "dead", {stream: ">"}, count=trimmed + 1)
    await redis.xtrim(stream, maxlen=1, approximate=False)
    async with start():
        await market.until_price(3.0)
        await market.until_done()
    assert told("trimmed_unread_total") - before == trimmed
