"""What sockets say reaches the streams, also over an outage of Redis."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import numpy as np
import pytest

from ingest import metrics
from ingest.arrivals import Arrivals
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.registry import Market
from shared.clock import SystemClock
from shared.streams.client import connect
from shared.streams.writer import StreamWriter
from shared.wire.control import Gap
from shared.wire.orders import BrokerUpdate
from shared.wire.segments import iterate
from shared.wire.shards import ShardMap
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import GAPS, RAW_TICKS, UPDATES
from tests.support.eventually import eventually
from tests.support.kite_frames import frame
from tests.support.kite_market import INDEX, SHARE, index_packet, instruments, packet
from tests.support.restartable_redis import restartable_redis

pytestmark = pytest.mark.integration
ACCOUNT = "AB1234"


class Line:
    """Arrivals with their outlets on one Redis."""

    def __init__(self, redis) -> None:
        clock = SystemClock()
        self.redis = redis
        self.ticks = TickOutlet(StreamWriter(redis, clock), clock)
        self.gaps = MessageOutlet(StreamWriter(redis, clock), clock)
        self.updates = MessageOutlet(StreamWriter(redis, clock), clock)
        self.arrivals = Arrivals(ACCOUNT, self.ticks, self.gaps, self.updates, clock)
        self.know(7)

    def know(self, version: int, *, buffers: int = 4) -> None:
        shard_map = ShardMap(version=1, shards=2, underlyings={})
        market = Market(version, instruments(), shard_map, (INDEX, SHARE))
        self.ticks.exchange(self.arrivals.prepared(market, version, buffers=buffers))

    async def raw(self, shard: int) -> list[tuple[np.void, list[tuple[int, bytes]]]]:
        return [
            (
                np.frombuffer(fields[b"h"], RAW_HEADER_DTYPE)[0],
                [(at_ns, bytes(body)) for at_ns, body in iterate(fields[b"s"])],
            )
            for _, fields in await self.redis.xrange(RAW_TICKS.name(shard))
        ]

    async def stamps(self, shard: int) -> list[int]:
        return [at_ns for _, bodies in await self.raw(shard) for at_ns, _ in bodies]

    async def told(self) -> list[Gap]:
        entries = await self.redis.xrange(GAPS.name())
        return [msgspec.json.decode(fields[b"json"], type=Gap) for _, fields in entries]


@contextlib.asynccontextmanager
async def line(server):
    await server.start()
    async with connect(server.url, name="test", settings=server.settings) as redis:
        made, closed = Line(redis), asyncio.Event()
        outlets = (made.ticks, made.gaps, made.updates)
        async with asyncio.TaskGroup() as group:
            for outlet in outlets:
                group.create_task(outlet.run(closed), name="outlet")
            yield made
            closed.set()
            for outlet in outlets:
                outlet.wake()


@pytest.fixture
def server(server_directory, tmp_path_factory):
    directory = server_directory / tmp_path_factory.mktemp("r").name
    directory.mkdir()
    with restartable_redis(directory) as found:
        yield found


async def test_frames_reach_their_shards_with_header_and_sequence(server) -> None:
    async with line(server) as made:
        for at_ns in (1, 2):
            made.arrivals.frame(1, frame([index_packet(1.0), packet(SHARE, 2.0)]), at_ns)
            await eventually(lambda at_ns=at_ns: _has(made, 1, at_ns))
        for shard, body in ((0, index_packet(1.0)), (1, packet(SHARE, 2.0))):
            entries = await made.raw(shard)
            assert [bodies for _, bodies in entries] == [[(n, frame([body]))] for n in (1, 2)]
            assert [head["sequence"] for head, _ in entries] == [0, 1]
            head = entries[0][0]
            assert (head["account"], head["socket"], head["shard"]) == (b"AB1234", 1, shard)
            assert (head["packets"], head["instruments_version"]) == (1, 7)


async def _has(made: Line, shard: int, at_ns: int) -> bool:
    return at_ns in await made.stamps(shard)


async def test_instruments_exchanged_under_way_lose_nothing_and_keep_the_sequence(server) -> None:
    async with line(server) as made:
        for at_ns in range(1, 21):
            made.arrivals.frame(0, frame([packet(SHARE, 2.0)]), at_ns)
            if at_ns % 5 == 0:
                made.know(7 + at_ns)
            await asyncio.sleep(0)
        await eventually(lambda: _has(made, 1, 20))
        assert await made.stamps(1) == list(range(1, 21))
        heads = [head for head, _ in await made.raw(1)]
        assert [head["sequence"] for head in heads] == list(range(len(heads)))
        assert len({int(head["epoch"]) for head in heads}) == 1


async def test_frames_over_an_outage_within_the_buffers_are_all_there(server) -> None:
    async with line(server) as made:
        made.arrivals.frame(0, frame([packet(SHARE, 2.0)]), 1)
        await eventually(lambda: _has(made, 1, 1))
        server.stop()
        for at_ns in range(2, 100):
            made.arrivals.frame(0, frame([packet(SHARE, 2.0)]), at_ns)
        await eventually(lambda: made.ticks.trouble)
        assert made.ticks.waiting_bytes > 98 * 186
        await server.start()
        await eventually(lambda: _has(made, 1, 99))
        assert sorted(set(await made.stamps(1))) == list(range(2, 100))
        assert (made.ticks.trouble, await made.told()) == ("", [])


async def test_frames_beyond_the_buffers_leave_the_newest_and_a_gap_that_counts(server) -> None:
    dropped = metrics.LEFT_OUT.labels("stream_away")
    before = dropped._value.get()
    large = frame([packet(SHARE, 2.0)] * 3_000)
    async with line(server) as made:
        made.know(8, buffers=3)
        server.stop()
        made.arrivals.frame(0, large, 1_000)
        await eventually(lambda: made.ticks.trouble)
        for at_ns in range(2_000, 10_000, 1_000):
            made.arrivals.frame(0, large, at_ns)
        made.arrivals.frame(0, frame([packet(SHARE, 3.0)]), 10_000)
        lost = int(dropped._value.get() - before)
        held_bytes = made.ticks.waiting_bytes
        for _ in range(100):
            made.arrivals.frame(0, frame([packet(SHARE, 3.0)]), 10_000)
        assert made.ticks.waiting_bytes == held_bytes
        await server.start()
        (gap,) = await eventually(made.told)
        assert (gap.cause, gap.packets_dropped) == ("stream_away", lost + 100)
        assert (gap.account, gap.instrument_tokens) == (ACCOUNT, [SHARE])
        assert (gap.from_us, gap.to_us) == (4, 10)
        made.arrivals.frame(0, frame([packet(SHARE, 4.0)]), 11_000)
        await eventually(lambda: _has(made, 1, 11_000))
        assert sorted(set(await made.stamps(1))) == [1_000, 2_000, 3_000, 10_000, 11_000]


async def test_order_updates_go_on_as_the_broker_said_them(server) -> None:
    async with line(server) as made:
        made.arrivals.text(0, b'{"type":"order","data":{"order_id":"1"}}', 5_000)
        made.arrivals.text(0, b'{"type":"error","data":"too many"}', 5_000)
        made.arrivals.text(0, b"\xff", 5_000)
        ((_, fields),) = await eventually(lambda: made.redis.xrange(UPDATES.name(ACCOUNT)))
        update = msgspec.json.decode(fields[b"json"], type=BrokerUpdate)
        assert (update.source, update.received_at_us) == ("socket", 5)
        assert msgspec.json.decode(update.row) == {"order_id": "1"}


async def test_outlets_that_may_not_write_any_more_end_and_count_what_they_lose(server) -> None:
    lost = metrics.LEFT_OUT.labels("stopping")
    before = lost._value.get()
    async with line(server) as made:
        server.stop()
        made.arrivals.frame(0, frame([packet(SHARE, 2.0)]), 1)
    assert lost._value.get() - before == 1
