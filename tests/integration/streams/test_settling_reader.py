from __future__ import annotations

import asyncio
import contextlib

import pytest

from shared.clock import ManualClock
from shared.errors import StreamError
from shared.streams import groups
from shared.streams.settling_reader import SettlingReader
from shared.streams.writer import Append, StreamWriter
from shared.wire.topics import RAW_TICKS
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

STREAM, OTHER = "ticks.raw.v1.0", "ticks.raw.v1.1"


def reader_of(redis, *streams, consumer="one", block_ms=50, count_max=100):
    return SettlingReader(
        redis, streams or [STREAM], "enrich", consumer, count_max=count_max, block_ms=block_ms
    )


async def add(redis, count=1, stream=STREAM):
    for n in range(count):
        await redis.xadd(stream, {b"n": str(n).encode(), b"long": b"x" * 5_000})


async def pending(redis, stream=STREAM):
    found = await groups.pending(redis, stream, "enrich", idle_ms_min=0, count_max=100)
    return [row.id for row in found]


async def test_entries_are_read_whole_from_every_stream(redis):
    await add(redis, 2)
    await add(redis, 1, OTHER)
    entries = await reader_of(redis, STREAM, OTHER).read()
    assert [(entry.stream, entry.fields[b"n"]) for entry in entries] == [
        (STREAM, b"0"),
        (STREAM, b"1"),
        (OTHER, b"0"),
    ]
    assert {entry.fields[b"long"] for entry in entries} == {b"x" * 5_000}


async def test_what_is_done_is_pending_until_the_next_read_and_not_after_it(redis):
    await add(redis, 3)
    reader = reader_of(redis)
    entries = await reader.read()
    reader.done(entries[:2])
    assert len(await pending(redis)) == 3
    assert await reader.read() == []
    assert await pending(redis) == [entries[2].id]


async def test_what_is_done_is_acknowledged_before_a_read_begins_to_wait(redis):
    await add(redis, 1)
    reader = reader_of(redis, block_ms=2_000)
    reader.done(await reader.read())
    waiting = asyncio.create_task(reader.read())

    async def is_acknowledged() -> bool:
        return await pending(redis) == []

    await eventually(is_acknowledged)
    assert not waiting.done()
    await add(redis, 1)
    assert len(await waiting) == 1


async def test_settled_entries_are_acknowledged_at_once_and_claimed_by_nobody(redis):
    await add(redis, 2)
    first, second = reader_of(redis), reader_of(redis, consumer="two")
    first.done(await first.read())
    await first.settle()
    assert await pending(redis) == []
    assert await second.claim_abandoned(0) == []
    await first.settle()


async def test_done_entries_of_a_stream_that_was_given_up_are_left_to_its_next_reader(redis):
    await add(redis, 2)
    first, second = reader_of(redis), reader_of(redis, consumer="two")
    first.done(await first.read())
    first.remove(STREAM)
    await first.settle()
    await first.read()
    assert len(await second.claim_abandoned(0)) == 2


async def test_done_entries_are_not_claimed_from_oneself(redis):
    await add(redis, 2)
    reader = reader_of(redis)
    reader.done(await reader.read())
    assert await reader.claim_abandoned(0) == []


async def test_group_that_is_gone_is_made_again_with_entries_done_in_it(redis):
    await add(redis, 2)
    reader = reader_of(redis)
    reader.done(await reader.read())
    await redis.xgroup_destroy(STREAM, "enrich")
    await add(redis, 1)
    assert len(await reader.read()) == 1
    assert len(await pending(redis)) == 1


async def test_done_entries_outlive_a_connection_that_was_cut(redis):
    await add(redis, 1)
    reader = reader_of(redis)
    await reader.ensure()
    reader.done(await reader.read())
    await redis.client_kill_filter(_type="normal", skipme=True)
    # Whether the first read meets the dead connection depends on who notices first.
    with contextlib.suppress(StreamError):
        await reader.read()
    await reader.read()
    assert await pending(redis) == []


async def test_stream_deleted_under_a_blocked_read_is_read_again_when_it_returns(redis):
    await add(redis, 1)
    reader = reader_of(redis, block_ms=1_000)
    reader.done(await reader.read())
    waiting = asyncio.create_task(reader.read())

    async def is_blocked() -> bool:
        return any(client["cmd"] == "xreadgroup" for client in await redis.client_list())

    await eventually(is_blocked)
    await redis.delete(STREAM)
    await add(redis, 1)
    assert [entry.fields[b"n"] for entry in await waiting] == [b"0"]


async def test_entries_that_were_written_together_come_in_one_read(redis):
    writer = StreamWriter(redis, ManualClock())
    reader = reader_of(redis, STREAM, OTHER, block_ms=2_000)
    await reader.ensure()
    for _ in range(3):
        waiting = asyncio.create_task(reader.read(), name="waiting")
        await eventually(lambda: blocked(redis))
        await writer.append([Append(RAW_TICKS, shard, {b"n": b"0"}) for shard in (0, 1)])
        entries = await waiting
        assert sorted(entry.stream for entry in entries) == [STREAM, OTHER]
        reader.done(entries)


async def blocked(redis):
    return (await redis.info("clients"))["blocked_clients"] == 1
