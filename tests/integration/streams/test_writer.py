from __future__ import annotations

import pytest

from shared.clock import ManualClock
from shared.errors import StreamError
from shared.streams.client import connect
from shared.streams.ids import EntryId
from shared.streams.writer import APPENDS_MAX, Append, StreamWriter
from shared.wire.topics import COMMANDS, CONTROL, RAW_TICKS, Topic
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def ticks(body=b"x", shard=0):
    return Append(RAW_TICKS, shard, {b"h": b"", b"s": body})


def bounded(**bounds):
    return Topic("test", 1, "ticks", "stream", None, "", "a test", **bounds)


async def test_writer_appends_to_several_streams_in_order(redis):
    writer = StreamWriter(redis, ManualClock())
    ids = await writer.append([ticks(b"1"), ticks(b"2", shard=1), ticks(memoryview(b"3"))])
    assert ids[0] < ids[2]
    assert all(isinstance(entry_id, EntryId) for entry_id in ids)
    entries = await redis.xrange("ticks.raw.v1.0")
    assert [fields for _, fields in entries] == [{b"h": b"", b"s": b"1"}, {b"h": b"", b"s": b"3"}]
    assert await redis.xlen("ticks.raw.v1.1") == 1
    assert await writer.append([]) == []


async def test_writer_keeps_a_stream_within_its_bytes(redis):
    await redis.config_set("stream-node-max-entries", 1)
    topic = bounded(retention_s=1, retention_bytes=20_000)
    writer = StreamWriter(redis, ManualClock())
    five = [Append(topic, "", {b"s": bytes(1000)})] * 5
    for _ in range(10):
        ids = await writer.append(five)
        # Bytes are told apart by time, in 64 parts of the retention.
        await eventually(lambda last=ids[-1]: has_passed(redis, last.ms + 16))
    # What is over the bound when an entry comes goes with the next one.
    assert 10 <= await redis.xlen("test.v1") <= 25


async def has_passed(redis, ms):
    seconds, microseconds = await redis.time()
    return seconds * 1000 + microseconds // 1000 >= ms


async def test_writer_trims_what_is_older_than_the_retention(redis):
    await redis.config_set("stream-node-max-entries", 1)
    topic = bounded(retention_s=10)
    clock = ManualClock()
    writer = StreamWriter(redis, clock)
    old = await writer.append([Append(topic, "", {b"n": b"old"})])
    clock.advance(11.0)
    new = await later(redis, writer, topic, old[0])
    assert [entry_id for entry_id, _ in await redis.xrange("test.v1")] == [str(new).encode()]


async def later(redis, writer, topic, than):
    """Append in a later millisecond of the server's clock than that of an id."""
    await eventually(lambda: has_passed(redis, than.ms + 1))
    writer._newest_ms = than.ms + 1
    (entry_id,) = await writer.append([Append(topic, "", {b"n": b"new"})])
    return entry_id


async def test_writer_whose_own_clock_is_years_ahead_trims_nothing(redis):
    writer = StreamWriter(redis, ManualClock(4_000_000_000 * 10**9))
    for _ in range(3):
        await writer.append([ticks()])
    assert await redis.xlen("ticks.raw.v1.0") == 3


async def test_writer_bounds_a_stream_of_messages_by_entries_as_well_as_age(redis):
    await redis.config_set("stream-node-max-entries", 1)
    topic = bounded(retention_s=10, entries_max=3)
    clock = ManualClock()
    writer = StreamWriter(redis, clock)
    for _ in range(5):
        await writer.append([Append(topic, "", {b"n": b"1"})])
    assert await redis.xlen("test.v1") == 3
    last = EntryId(writer._newest_ms, 0)
    clock.advance(11.0)
    await later(redis, writer, topic, last)
    assert await redis.xlen("test.v1") == 1


async def test_writer_never_trims_order_commands(redis):
    await redis.config_set("stream-node-max-entries", 1)
    clock = ManualClock()
    writer = StreamWriter(redis, clock)
    for _ in range(5):
        await writer.append([Append(COMMANDS, "AB1234", {b"json": b"{}"})])
        clock.advance(1e6)
    assert await redis.xlen("orders.commands.v1.AB1234") == 5


async def test_new_writer_counts_what_the_one_before_left(redis):
    for _ in range(4):
        await redis.xadd("ticks.raw.v1.0", {b"h": b"", b"s": bytes(100)})
    writer = StreamWriter(redis, ManualClock())
    await writer.append([ticks(bytes(100))])
    assert writer._kept["ticks.raw.v1.0"].window.kept_bytes == 500


async def test_refused_entry_is_an_error_that_names_the_count_and_the_reason(redis):
    writer = StreamWriter(redis, ManualClock())
    await writer.append([ticks(shard=1)])
    await redis.set("ticks.raw.v1.1", "not a stream")
    with pytest.raises(StreamError, match=r"^1 of 2 entries refused, first: WRONGTYPE"):
        await writer.append([ticks(), ticks(shard=1)])
    assert await redis.xlen("ticks.raw.v1.0") == 1


async def test_writer_of_a_stopped_redis_fails_once_and_recovers_by_itself(redis, plain_redis):
    writer = StreamWriter(redis, ManualClock())
    await writer.append([ticks()])
    plain_redis.stop()
    with pytest.raises(StreamError, match=r"^XADD of 1 entries, first to ticks\.raw\.v1\.0: "):
        await writer.append([ticks()])
    plain_redis.start()
    assert len(await writer.append([ticks()])) == 1


async def test_more_appends_than_one_round_trip_carries_are_refused(redis):
    with pytest.raises(ValueError, match="over 1024"):
        await StreamWriter(redis, ManualClock()).append([ticks()] * (APPENDS_MAX + 1))


async def test_topic_without_parts_takes_the_empty_part(redis):
    await StreamWriter(redis, ManualClock()).append([Append(CONTROL, "", {b"json": b"{}"})])
    assert await redis.xlen("control.v1") == 1


async def test_client_shows_its_name_and_speaks_the_second_protocol(plain_redis):
    async with connect(plain_redis.url, name="ingest", settings=plain_redis.settings()) as client:
        (info,) = [each for each in await client.client_list() if each["name"] == "ingest"]
    assert info.get("resp", "2") == "2"
