from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from enrich.dead_depth import EVERY_S, DeadDepth
from shared.clock import ManualClock
from shared.wire.topics import RAW_TICKS, dead

pytestmark = pytest.mark.integration


def told():
    return REGISTRY.get_sample_value("tickflow_enrich_dead_letters_entries")


async def test_dead_letters_of_held_shards_are_counted_again_once_it_is_time(market):
    redis, clock = market.redis, ManualClock()
    counting = DeadDepth(redis, clock)
    for shard, entries in ((0, 2), (1, 1), (2, 5)):
        for _ in range(entries):
            await redis.xadd(dead(RAW_TICKS.name(shard)), {b"reason": b"poison"})
    await counting.count((0, 1))
    assert told() == 3
    await redis.delete(dead(RAW_TICKS.name(0)))
    await counting.count((0, 1))
    assert told() == 3, "not due yet"
    clock.advance(EVERY_S)
    await counting.count((0, 1))
    assert told() == 1
