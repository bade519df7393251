from __future__ import annotations

import asyncio
import contextlib

import pytest

from shared.clock import ManualClock, SystemClock
from shared.errors import MessageError, StreamError
from shared.streams import groups
from shared.streams.dead_letters import TICK_LETTERS_MAX
from shared.streams.ids import EntryId, parse
from shared.streams.reader import STREAMS_MAX, GroupReader, TailReader
from shared.streams.steady_tail import SteadyTailReader
from shared.streams.writer import Append, StreamWriter
from shared.wire.topics import RAW_TICKS
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

STREAM, OTHER = "ticks.raw.v1.0", "ticks.raw.v1.1"


def reader_of(redis, *streams, consumer="one", start="0", block_ms=50, count_max=100):
    return GroupReader(
        redis,
        streams or [STREAM],
        "enrich",
        consumer,
        count_max=count_max,
        block_ms=block_ms,
        start=start,
    )


async def add(redis, count=1, stream=STREAM):
    return [await redis.xadd(stream, {b"n": str(n).encode()}) for n in range(count)]


async def read_all(reader):
    return [entry.fields[b"n"] for entry in await reader.read()]


async def blocked(redis):
    return any(client["cmd"] == "xreadgroup" for client in await redis.client_list())


async def test_group_reader_reads_what_was_written_before_and_after_it_began(redis):
    await add(redis, 2)
    reader = reader_of(redis)
    await reader.ensure()
    await add(redis, 1)
    entries = await reader.read()
    assert [entry.fields for entry in entries] == [{b"n": b"0"}, {b"n": b"1"}, {b"n": b"0"}]
    assert {entry.stream for entry in entries} == {STREAM}
    assert await reader.read() == []


async def test_group_reader_that_starts_from_now_skips_what_was_there(redis):
    await add(redis, 2)
    reader = reader_of(redis, start="$")
    await reader.ensure()
    await reader.ensure()
    await redis.xadd(STREAM, {b"n": b"new"})
    assert await read_all(reader) == [b"new"]


async def test_group_reader_without_ensure_makes_its_group_on_the_first_read(redis):
    await add(redis, 1)
    assert await read_all(reader_of(redis)) == [b"0"]


async def test_two_consumers_of_a_group_share_the_entries(redis):
    await add(redis, 4)
    first, second = (
        reader_of(redis, consumer="one", count_max=3),
        reader_of(redis, consumer="two"),
    )
    await first.ensure()
    assert [len(await first.read()), len(await second.read())] == [3, 1]


async def test_streams_come_and_go_at_run_time(redis):
    reader = reader_of(redis)
    await reader.ensure()
    await reader.add("ticks.raw.v1.1")
    await add(redis, 1, "ticks.raw.v1.1")
    assert [entry.stream for entry in await reader.read()] == ["ticks.raw.v1.1"]
    reader.remove("ticks.raw.v1.1")
    await add(redis, 1, "ticks.raw.v1.1")
    assert await reader.read() == []
    reader.remove(STREAM)
    assert await reader.read() == []


async def test_acknowledged_entries_are_not_pending(redis):
    await add(redis, 3)
    reader = reader_of(redis)
    entries = await reader.read()
    await reader.acknowledge(entries[:2])
    left = await groups.pending(redis, STREAM, "enrich", idle_ms_min=0, count_max=10)
    assert [row.id for row in left] == [entries[2].id]
    await reader.acknowledge([])


async def test_oldest_due_is_what_the_group_has_not_done_handed_out_or_not(redis):
    reader = reader_of(redis)
    assert await reader.oldest_due(STREAM) is None
    first, second, third = (str(parse(each)) for each in await add(redis, 3))
    assert str(await reader.oldest_due(STREAM)) == first, "nobody has read anything"
    one, two, three = await reader.read()
    await reader.acknowledge([one])
    assert str(await reader.oldest_due(STREAM)) == second, "handed out, not done"
    await reader.acknowledge([three])
    assert str(await reader.oldest_due(STREAM)) == second
    await reader.acknowledge([two])
    assert await reader.oldest_due(STREAM) is None
    (fourth,) = await add(redis)
    assert str(await reader.oldest_due(STREAM)) == fourth.decode()
    assert third == str(three.id)


async def test_abandoned_entries_are_claimed_with_their_count_of_deliveries(redis):
    await add(redis, 2)
    dead, alive = reader_of(redis, consumer="dead"), reader_of(redis, consumer="alive")
    lost = await dead.read()
    claimed = await alive.claim_abandoned(0)
    assert [(entry.id, entry.fields, entry.deliveries) for entry in claimed] == [
        (entry.id, entry.fields, 2) for entry in lost
    ]
    again = await reader_of(redis, consumer="third").claim_abandoned(0)
    assert [entry.deliveries for entry in again] == [3, 3]


async def test_entries_in_work_are_not_claimed_from_oneself_but_those_before_a_restart_are(redis):
    await add(redis, 2)
    before = reader_of(redis)
    entries = await before.read()
    assert await before.claim_abandoned(0) == []
    after = reader_of(redis)
    assert [entry.id for entry in await after.claim_abandoned(0)] == [entry.id for entry in entries]
    assert await after.claim_abandoned(0) == []


async def test_entries_that_are_not_idle_long_enough_stay_where_they_are(redis):
    await add(redis, 1)
    await reader_of(redis, consumer="slow").read()
    assert await reader_of(redis, consumer="other").claim_abandoned(60_000) == []


async def test_abandoned_entries_trimmed_meanwhile_are_acknowledged_and_counted(redis):
    await add(redis, 3)
    await reader_of(redis, consumer="dead").read()
    await redis.xtrim(STREAM, maxlen=1, approximate=False)
    alive = reader_of(redis, consumer="alive")
    assert [entry.fields[b"n"] for entry in await alive.claim_abandoned(0)] == [b"2"]
    assert alive.missing_total == 2
    left = await groups.pending(redis, STREAM, "enrich", idle_ms_min=0, count_max=10)
    assert len(left) == 1


async def test_claiming_where_there_is_no_group_finds_nothing(redis):
    assert await reader_of(redis).claim_abandoned(0) == []


async def test_dead_letter_of_a_tick_keeps_the_fields_and_ends_the_delivery(redis):
    await add(redis, 1)
    reader = reader_of(redis)
    (entry,) = await reader.read()
    await reader.dead_letter(entry, "not a frame", attempts=3)
    ((_, fields),) = await redis.xrange(STREAM + ".dead")
    assert fields == {
        b"stream": STREAM.encode(),
        b"id": str(entry.id).encode(),
        b"group": b"enrich",
        b"reason": b"not a frame",
        b"attempts": b"3",
        b"field.n": b"0",
    }
    assert await groups.pending(redis, STREAM, "enrich", idle_ms_min=0, count_max=10) == []


async def test_dead_letters_of_ticks_are_bounded_and_those_of_orders_are_not(redis):
    orders = "orders.commands.v1.AB1234"
    count = TICK_LETTERS_MAX + 1
    await add(redis, count)
    await add(redis, count, orders)
    reader = reader_of(redis, STREAM, orders, count_max=count)
    for entry in await reader.read():
        await reader.dead_letter(entry, "bad", attempts=1)
    kept = [await redis.xlen(STREAM + ".dead"), await redis.xlen(orders + ".dead")]
    assert kept == [TICK_LETTERS_MAX, count]


async def test_lag_is_the_age_of_the_oldest_entry_not_delivered(redis):
    reader = reader_of(redis, count_max=1)
    await reader.ensure()
    assert await reader.lag_s(STREAM, SystemClock().now_ns()) == 0.0
    await redis.xadd(STREAM, {b"n": b"0"}, id="1000-0")
    await redis.xadd(STREAM, {b"n": b"1"}, id="3000-0")
    assert await reader.lag_s(STREAM, 11_000_000_000) == 10.0
    await reader.read()
    assert await reader.lag_s(STREAM, 11_000_000_000) == 8.0
    await reader.read()
    assert await reader.lag_s(STREAM, 11_000_000_000) == 0.0


async def test_lag_under_trimming_counts_only_what_can_still_be_read(redis):
    reader = reader_of(redis, count_max=1)
    for second in (1, 2, 3, 4):
        await redis.xadd(STREAM, {b"n": b"0"}, id=f"{second}000-0")
    await reader.read()
    await redis.xtrim(STREAM, minid="3000", approximate=False)
    assert await reader.lag_s(STREAM, 10_000_000_000) == 7.0
    await redis.xtrim(STREAM, maxlen=0, approximate=False)
    assert await reader.lag_s(STREAM, 10_000_000_000) == 0.0


async def test_lag_of_a_stream_nobody_wrote_is_none(redis):
    assert await reader_of(redis).lag_s("ticks.raw.v1.9", 10_000_000_000) == 0.0


async def test_group_lost_from_a_living_stream_goes_on_after_the_last_entry_seen(redis):
    await add(redis, 2)
    reader = reader_of(redis)
    await reader.read()
    await redis.xgroup_destroy(STREAM, "enrich")
    await redis.xadd(STREAM, {b"n": b"new"})
    assert await read_all(reader) == [b"new"]


async def test_stream_born_again_is_read_from_its_start(redis):
    reader = reader_of(redis, start="$")
    await reader.ensure()
    await add(redis, 2)
    await reader.read()
    await redis.delete(STREAM)
    await redis.xadd(STREAM, {b"n": b"reborn"}, id="5-0")
    assert await read_all(reader) == [b"reborn"]


async def test_stream_deleted_under_a_blocked_read_is_read_again_when_it_returns(redis):
    reader = reader_of(redis, block_ms=3000)
    await add(redis, 1)
    await reader.read()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read(), name="read")
        await eventually(lambda: blocked(redis))
        await redis.delete(STREAM)
        await redis.xadd(STREAM, {b"n": b"reborn"})
    assert [entry.fields for entry in reading.result()] == [{b"n": b"reborn"}]


async def test_group_reader_after_a_restart_of_redis_makes_its_group_again(redis, plain_redis):
    reader = reader_of(redis)
    await add(redis, 1)
    await reader.acknowledge(await reader.read())
    plain_redis.restart()
    # Whether the first call meets the dead connection depends on who notices first.
    with contextlib.suppress(StreamError):
        await reader.read()
    await redis.xadd(STREAM, {b"n": b"after"})
    assert await read_all(reader) == [b"after"]


async def test_read_that_was_cancelled_leaves_a_reader_that_reads_on(redis):
    reader = reader_of(redis, block_ms=3000)
    await reader.ensure()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read(), name="read")
        await eventually(lambda: blocked(redis))
        reading.cancel()
    await add(redis, 1)
    assert await read_all(reader) == [b"0"]


async def test_reader_of_a_stopped_redis_says_so_in_one_sentence(redis, plain_redis):
    reader = reader_of(redis)
    plain_redis.stop()
    try:
        for _ in range(2):
            with pytest.raises(StreamError, match=r"^XREADGROUP of ticks\.raw\.v1\.0: .+"):
                await reader.read()
    finally:
        plain_redis.start()
    await reader.ensure()


async def test_block_longer_than_the_clients_patience_is_refused(redis):
    with pytest.raises(ValueError, match="block_ms is 4900"):
        reader_of(redis, block_ms=4900)
    with pytest.raises(ValueError, match="block_ms is 0"):
        TailReader(redis, {STREAM: "0"}, block_ms=0)


async def test_group_that_is_there_is_not_made_again(redis):
    assert await groups.create(redis, STREAM, "enrich", "0") is True
    assert await groups.create(redis, STREAM, "enrich", "0") is False


async def test_more_streams_than_one_read_names_are_refused(redis):
    many = [f"ticks.raw.v1.{shard}" for shard in range(STREAMS_MAX + 1)]
    with pytest.raises(ValueError, match=r"cannot read ticks\.raw\.v1\.1024 too"):
        reader_of(redis, *many)
    with pytest.raises(ValueError, match=r"cannot read ticks\.raw\.v1\.1024 too"):
        TailReader(redis, dict.fromkeys(many, "0"))


async def test_position_that_is_no_id_is_refused(redis):
    with pytest.raises(MessageError, match="'yesterday' is not"):
        TailReader(redis, {STREAM: "yesterday"})


async def test_entries_of_other_streams_stay_in_work_when_one_stream_loses_its_group(redis):
    other = "ticks.raw.v1.1"
    reader = reader_of(redis, STREAM, other)
    await add(redis, 1)
    await add(redis, 1, other)
    await reader.read()
    await redis.xgroup_destroy(other, "enrich")
    await reader.read()
    assert await reader.claim_abandoned(0) == []


@pytest.fixture(params=[TailReader, SteadyTailReader], ids=["plain", "steady"])
def tail_of(request):
    """Both read the same, whatever their connections."""
    return request.param


async def test_tail_reader_reads_on_from_its_positions(tail_of, redis):
    await add(redis, 3)
    tail = tail_of(redis, {STREAM: "0"}, count_max=2, block_ms=50)
    assert [await read_all(tail), await read_all(tail), await read_all(tail)] == [
        [b"0", b"1"],
        [b"2"],
        [],
    ]
    last = tail.positions[STREAM]
    await redis.xadd(STREAM, {b"n": b"new"})
    assert await read_all(tail_of(redis, {STREAM: last}, block_ms=50)) == [b"new"]


async def test_tail_reader_from_now_misses_nothing_between_two_reads(tail_of, redis):
    await add(redis, 3)
    tail = tail_of(redis, {STREAM: "$"}, block_ms=20)
    assert await tail.read() == []
    await redis.xadd(STREAM, {b"n": b"between"})
    assert await read_all(tail) == [b"between"]


@pytest.mark.parametrize("before", [0, 3], ids=["an empty stream", "one with entries"])
async def test_tail_reader_that_was_pinned_has_what_came_before_its_first_read(
    tail_of, redis, before
):
    await add(redis, before)
    tail = tail_of(redis, {STREAM: "$"}, block_ms=50)
    await tail.pin()
    await redis.xadd(STREAM, {b"n": b"early"})
    await tail.pin()
    assert await read_all(tail) == [b"early"]


async def test_tail_reader_follows_streams_added_and_drops_those_removed(tail_of, redis):
    tail = tail_of(redis, {}, block_ms=20)
    assert await tail.read() == []
    tail.add(STREAM, EntryId(0, 0))
    await add(redis, 1)
    assert await read_all(tail) == [b"0"]
    tail.remove(STREAM)
    assert tail.positions == {}


async def test_tail_reader_after_a_restart_of_redis_reads_a_stream_whose_ids_fell_back(
    tail_of, redis, plain_redis
):
    await redis.xadd(STREAM, {b"n": b"0"}, id="9000-0")
    tail = tail_of(redis, {STREAM: "0"}, block_ms=20)
    await tail.read()
    plain_redis.stop()
    with pytest.raises(StreamError):
        await tail.read()
    plain_redis.start()
    await redis.xadd(STREAM, {b"n": b"reborn"}, id="5-0")
    assert await read_all(tail) == [b"reborn"]


async def test_steady_reader_takes_entries_that_were_written_together_in_one_read(redis):
    writer = StreamWriter(redis, ManualClock())
    appends = [Append(RAW_TICKS, shard, {b"n": b"%d" % shard}) for shard in (0, 1)]
    await writer.append(appends)
    tail = SteadyTailReader(redis, dict.fromkeys([STREAM, OTHER], "0"), block_ms=2000)
    assert await read_all(tail) == [b"0", b"1"]
    for _ in range(3):
        waiting = asyncio.create_task(read_all(tail), name="waiting")
        await eventually(lambda: waits(redis))
        await writer.append(appends)
        assert await waiting == [b"0", b"1"]


async def test_steady_reader_that_falls_behind_gives_each_entry_once_in_order(redis):
    tail = SteadyTailReader(redis, dict.fromkeys([STREAM, OTHER], "0"), count_max=2, block_ms=20)
    assert await tail.read() == []
    for stream in (STREAM, OTHER):
        await add(redis, 5, stream)
    told = {STREAM: [], OTHER: []}
    while entries := await tail.read():
        for entry in entries:
            told[entry.stream].append(entry.fields[b"n"])
    assert told == {stream: [b"0", b"1", b"2", b"3", b"4"] for stream in (STREAM, OTHER)}


async def waits(redis):
    return (await redis.info("clients"))["blocked_clients"] == 1
