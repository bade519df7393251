from __future__ import annotations

import pytest

from shared.streams.hygiene import reap_consumers, taken_below, trim_taken
from shared.streams.ids import EntryId
from shared.streams.reader import GroupReader

pytestmark = pytest.mark.integration

STREAM = "orders.commands.v1.AB1234"


def reader_of(redis, group="executor", count_max=10):
    return GroupReader(redis, [STREAM], group, "one", count_max=count_max, block_ms=20)


async def fill(redis):
    await redis.config_set("stream-node-max-entries", 1)
    for second in (1, 2, 3, 4):
        await redis.xadd(STREAM, {b"json": b"{}"}, id=f"{second}-0")


async def left(redis):
    return [entry_id for entry_id, _ in await redis.xrange(STREAM)]


async def test_trimming_stops_below_the_oldest_entry_not_acknowledged(redis):
    await fill(redis)
    reader = reader_of(redis)
    first, _, third, _ = await reader.read()
    await reader.acknowledge([first, third])
    assert await taken_below(redis, STREAM) == EntryId(2, 0)
    assert await trim_taken(redis, STREAM) == 1
    assert await left(redis) == [b"2-0", b"3-0", b"4-0"]


async def test_trimming_keeps_what_was_not_read_yet(redis):
    await fill(redis)
    reader = reader_of(redis, count_max=2)
    await reader.acknowledge(await reader.read())
    assert await trim_taken(redis, STREAM) == 2
    assert await left(redis) == [b"3-0", b"4-0"]


async def test_trimming_waits_for_the_slowest_group(redis):
    await fill(redis)
    fast, slow = reader_of(redis), reader_of(redis, "audit", count_max=1)
    await fast.acknowledge(await fast.read())
    await slow.acknowledge(await slow.read())
    assert await trim_taken(redis, STREAM) == 1


async def test_stream_without_groups_or_that_is_not_there_keeps_everything(redis):
    assert await trim_taken(redis, STREAM) == 0
    await fill(redis)
    assert await trim_taken(redis, STREAM) == 0
    assert len(await left(redis)) == 4


async def test_consumers_are_reaped_when_idle_with_nothing_pending(redis):
    await fill(redis)
    busy = GroupReader(redis, [STREAM], "executor", "busy", count_max=1, block_ms=20)
    done = GroupReader(redis, [STREAM], "executor", "done", count_max=1, block_ms=20)
    await busy.read()
    await done.acknowledge(await done.read())
    assert await reap_consumers(redis, STREAM, "executor", idle_ms_min=600_000) == 0
    assert await reap_consumers(redis, STREAM, "executor", idle_ms_min=0) == 1
    (consumer,) = await redis.xinfo_consumers(STREAM, "executor")
    assert consumer["name"] == b"busy"
