"""Kafka and workers ended as crashes end them: nothing lost, order kept, the lag back to zero.

Every test prints how long the recovery took: `pytest -s tests/kafka/test_faults.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from shared.errors import StreamError
from shared.streams.dead_letters import of_entry
from shared.streams.entry import Entry
from shared.streams.ids import parse
from shared.wire.topics import RAW_TICKS, dead
from tests.kafka.conftest import market_on
from tests.support.eventually import eventually
from tests.support.kafka_cluster import cluster
from tests.support.kafka_market import KafkaMarket, end_of
from tests.support.kafka_workers import kafka_environment
from tests.support.kite_market import SHARE, index_packet, packet
from tests.support.workers import worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

#: A slow machine starts a JVM, a worker, a group in turn.
PATIENCE_S = 90.0


class Feed:
    """Writes prices that only grow, of one instrument in each shard, until told to stop."""

    def __init__(self, market: KafkaMarket) -> None:
        self._market = market
        self.stopping = asyncio.Event()
        self.ended = asyncio.Event()
        self.said = 0

    async def run(self) -> None:
        while not self.stopping.is_set():
            price = float(self.said + 1)
            await self._insist(0, index_packet(price))
            await self._insist(1, packet(SHARE, price))
            self.said += 1
            await asyncio.sleep(0.01)
        self.ended.set()

    async def _insist(self, shard: int, body: bytes) -> None:
        """Write as ingest does: until Kafka has it."""
        while True:
            try:
                await self._market.say(body, shard=shard)
            except StreamError:
                await asyncio.sleep(0.1)
            else:
                return


@asynccontextmanager
async def feeding(market: KafkaMarket) -> AsyncIterator[Feed]:
    """Feed while the block runs, to the end of what is being written."""
    feed = Feed(market)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        feed.stopping.set()
        await task


async def until_further(market: KafkaMarket, more: int = 30) -> float:
    """Wait until both shards are `more` prices further than now; return the seconds it took."""
    began_s = time.monotonic()
    goals = {shard: max(await market.prices(shard), default=0.0) + more for shard in (0, 1)}

    async def further() -> bool:
        return all([max(await market.prices(s), default=0.0) >= goals[s] for s in goals])

    await eventually(further, within_s=PATIENCE_S, every_s=0.05)
    return time.monotonic() - began_s


async def check_whole(market: KafkaMarket, feed: Feed, shards: Sequence[int] = (0, 1)) -> None:
    """Check that all that was said came out, in order once repetitions are left out; lag zero."""
    feed.stopping.set()
    # What is being written when it is told to stop still counts.
    await asyncio.wait_for(feed.ended.wait(), PATIENCE_S)
    for shard in shards:
        await market.until_price(float(feed.said), shard, within_s=PATIENCE_S)
        prices = await market.prices(shard)
        firsts = list(dict.fromkeys(prices))
        assert firsts == [float(n) for n in range(1, feed.said + 1)]
        await market.until_committed(shard, await end_of(market, shard), within_s=PATIENCE_S)


async def test_broker_killed_and_restarted_loses_nothing(server, market, tmp_path) -> None:
    (broker,) = market.kafka.brokers
    async with worker("enrich", kafka_environment(server, market.kafka), tmp_path) as one:
        async with feeding(market) as feed:
            await until_further(market)
            broker.kill()
            await asyncio.sleep(1.0)  # an outage has a length
            broker.start()
            took_s = await until_further(market)
            print(f"\nbroker killed and restarted: recovered in {took_s:.1f} s")
        await check_whole(market, feed)
        assert await one.drain() == 0


async def test_worker_killed_amid_a_batch_is_followed_and_nothing_is_lost(
    server, market, tmp_path
) -> None:
    first = worker("enrich", kafka_environment(server, market.kafka, name="first"), tmp_path)
    second = worker("enrich", kafka_environment(server, market.kafka, name="second"), tmp_path)
    async with first as one, feeding(market) as feed:
        await until_further(market)
        async with second as two:
            await until_further(market)
            one.kill()
            took_s = await until_further(market, more=100)
            print(f"\nworker killed: its partitions were going on after {took_s:.1f} s")
            feed.stopping.set()
            await check_whole(market, feed)
            assert await two.drain() == 0


async def test_second_worker_joins_and_leaves_under_load(server, market, tmp_path) -> None:
    first = worker("enrich", kafka_environment(server, market.kafka, name="first"), tmp_path)
    second = worker("enrich", kafka_environment(server, market.kafka, name="second"), tmp_path)
    async with first as one, feeding(market) as feed:
        await until_further(market)
        async with second as two:

            async def shared() -> bool:
                pages = [await asyncio.to_thread(each.page, "metrics") for each in (one, two)]
                return all("tickflow_enrich_shards_held 1.0" in text for _, text in pages)

            await eventually(shared, within_s=PATIENCE_S, every_s=0.2)
            joined_s = await until_further(market)
            assert await two.drain() == 0
        left_s = await until_further(market)
        print(f"\nsecond worker: joined, {joined_s:.1f} s; left, {left_s:.1f} s")
        feed.stopping.set()
        await check_whole(market, feed)
        fences = [int(head["fence"]) for head, _ in market.seen[1]]
        assert fences == sorted(fences)
        assert await one.drain() == 0


async def test_poison_message_is_kept_for_the_operator_and_does_not_stop_the_others(
    server, market, tmp_path
) -> None:
    await market.redis.xadd(dead(RAW_TICKS.name(0)), {b"reason": b"of yesterday"})
    async with worker("enrich", kafka_environment(server, market.kafka), tmp_path) as one:

        async def is_told() -> bool:
            _, text = await asyncio.to_thread(one.page, "metrics")
            return "tickflow_enrich_dead_letters_entries 1.0" in text

        await eventually(is_told, within_s=PATIENCE_S)
        await market.say(packet(SHARE, 1.0))
        await market.say(packet(SHARE, 2.0), head=b"no header")
        await market.say(packet(SHARE, 3.0))
        await market.until_price(3.0, within_s=PATIENCE_S)
        assert await market.prices() == [1.0, 3.0]
        await market.until_committed(1, 3)
        ((letter_id, fields),) = await market.redis.xrange(dead(RAW_TICKS.name(1)))
        letter = of_entry(Entry("dead", parse(letter_id), fields))
        assert letter.fields[b"h"] == b"no header"
        assert "9 bytes" in letter.reason
        assert await one.drain() == 0


async def test_rolling_restart_of_three_brokers_loses_nothing(
    server, tmp_path_factory, tmp_path
) -> None:
    with cluster(tmp_path_factory.mktemp("kafka") / "three", nodes=3) as three:
        await three.start()
        async with market_on(three, server) as market:
            async with worker("enrich", kafka_environment(server, three), tmp_path) as one:
                async with feeding(market) as feed:
                    await until_further(market)
                    for broker in three.brokers:
                        await asyncio.to_thread(broker.stop)
                        broker.start()
                        await three.answer()
                        took_s = await until_further(market)
                        print(f"\nbroker {broker.node} restarted: going on after {took_s:.1f} s")
                await check_whole(market, feed)
                assert await one.drain() == 0
