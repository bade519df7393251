"""Enrichment processes: one dies without a word, another goes on; one is told to stop."""

from __future__ import annotations

import asyncio
import time

import pytest

from enrich.settings import EnrichOptions
from enrich.shards import take_over_s_max
from tests.support.eventually import eventually
from tests.support.kite_market import SHARE, packet
from tests.support.workers import enrich_environment, worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]


class Feed:
    """Writes a price every few milliseconds, each one higher."""

    def __init__(self, market) -> None:
        self._market = market
        self.stopping = asyncio.Event()
        self.said = 0

    async def run(self) -> None:
        while not self.stopping.is_set():
            self.said += 1
            await self._market.say(packet(SHARE, float(self.said)))
            await asyncio.sleep(0.005)


async def test_killed_worker_is_followed_by_another_and_nothing_is_lost(
    server, market, tmp_path, capsys
) -> None:
    # With the lease that is the default. Late after a long time: every single tick must come out.
    told = enrich_environment(server, late_after_s=600, rebalance=False)
    bound_s = take_over_s_max(EnrichOptions())
    assert bound_s < 5.0
    feed = Feed(market)
    async with (
        worker("enrich", {**told, "TICKFLOW_ENRICH__NAME": "first"}, tmp_path) as first,
        worker("enrich", {**told, "TICKFLOW_ENRICH__NAME": "second"}, tmp_path) as second,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(feed.run(), name="feed")
        await market.until_price(50.0)
        before = int((await market.batches())[-1][0]["fence"])
        killed_s = time.monotonic()
        first.kill()

        async def followed() -> bool:
            return int((await market.batches())[-1][0]["fence"]) > before

        # The bound is by construction, see there; a busy machine may be slow to run us.
        await eventually(followed, within_s=bound_s + 20, every_s=0.05)
        took_s = time.monotonic() - killed_s
        with capsys.disabled():
            print(f"\nkilled worker followed after {took_s:.2f} s, bound {bound_s:.2f} s")
        feed.stopping.set()
        await market.until_price(float(feed.said), within_s=10)
        await market.until_done()
        assert set(await market.prices()) == {float(n) for n in range(1, feed.said + 1)}
        fences = [int(head["fence"]) for head, _ in await market.batches()]
        assert fences == sorted(fences)
        assert len(set(fences)) == 2
        assert await second.drain() == 0


async def test_drained_worker_leaves_nothing_pending_and_ends_cleanly(
    server, market, tmp_path
) -> None:
    feed = Feed(market)
    async with worker("enrich", enrich_environment(server), tmp_path) as one:
        async with asyncio.TaskGroup() as group:
            group.create_task(feed.run(), name="feed")
            await market.until_price(20.0)
            assert await one.drain() == 0
            feed.stopping.set()
        assert await market.pending() == 0


async def test_drained_worker_is_followed_without_waiting_for_its_lease_and_nothing_is_lost(
    server, market, tmp_path, capsys
) -> None:
    told = enrich_environment(server, lease_s=60, late_after_s=600, rebalance=False)
    feed = Feed(market)
    async with (
        worker("enrich", {**told, "TICKFLOW_ENRICH__NAME": "first"}, tmp_path) as first,
        worker(
            "enrich",
            {**told, "TICKFLOW_ENRICH__NAME": "second", "TICKFLOW_ENRICH__LEASE_S": "3"},
            tmp_path,
        ) as second,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(feed.run(), name="feed")
        await market.until_price(50.0)
        owner = await market.redis.hget("lease.enrich.1", "owner")
        assert await first.drain() == 0
        drained_s = time.monotonic()

        async def followed() -> bool:
            found = await market.redis.hget("lease.enrich.1", "owner")
            return (owner, found) == (b"first", b"second")

        await eventually(followed, within_s=30, every_s=0.05)
        took_s = time.monotonic() - drained_s
        with capsys.disabled():
            print(f"\ndrained worker followed after {took_s:.2f} s, its lease being 60 s")
        feed.stopping.set()
        await market.until_price(float(feed.said), within_s=20)
        await market.until_done()
        assert set(await market.prices()) == {float(n) for n in range(1, feed.said + 1)}
        assert await second.drain() == 0


async def test_worker_that_starts_is_given_a_busy_shard_and_nothing_is_lost(start, market) -> None:
    told = {"lease_s": 3.0, "late_after_s": 600}
    said = 0
    async with start("one", **told), start("two", **told):

        async def shared() -> bool:
            nonlocal said
            said += 1
            for shard in (0, 1):  # as much for either
                await market.say(packet(SHARE, float(said)), shard=shard)
            owners = [await market.redis.hget(f"lease.enrich.{n}", "owner") for n in (0, 1)]
            return set(owners) == {b"one", b"two"}

        await eventually(shared, within_s=30)
        await shared()  # once more, for the new owner
        for shard in (0, 1):
            await market.until_price(float(said), shard, within_s=30)
            await market.until_done(shard)
            assert set(await market.prices(shard)) == {float(n) for n in range(1, said + 1)}
            fences = [int(head["fence"]) for head, _ in await market.batches(shard)]
            assert fences == sorted(fences)
