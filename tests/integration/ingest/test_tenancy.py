"""Leases of accounts on a real Redis."""

from __future__ import annotations

import pytest

from ingest.tenancy import Tenancy
from shared.clock import SystemClock
from shared.streams.client import connect
from shared.streams.leases import holder
from shared.streams.settings import RedisSettings
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def redis(ticks_redis):
    url = ticks_redis.url_for("ingest")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as client:
        yield client


@pytest.fixture
def tenancy(redis):
    def made(owner: str, ttl_s: float = 60.0) -> Tenancy:
        return Tenancy(redis, owner=owner, ttl_s=ttl_s, clock=SystemClock())

    return made


async def test_first_takes_every_account_and_the_second_stands_by(tenancy) -> None:
    first, second = tenancy("one"), tenancy("two")
    await first.keep(["AB1", "AB2"])
    await second.keep(["AB1", "AB2"])
    assert first.held == {"AB1", "AB2"}
    assert (first.planner, first.others) == ("", {})
    assert second.held == frozenset()
    assert (second.planner, second.others) == ("one", {"AB1": "one", "AB2": "one"})


async def test_two_ingests_of_different_accounts_never_plan_beside_each_other(tenancy) -> None:
    first, second = tenancy("one"), tenancy("two")
    await first.keep(["AB1"])
    await second.keep(["AB2"])
    assert (first.held, second.held) == ({"AB1"}, frozenset())
    assert second.idle == ("AB2",)
    await first.release()
    await second.keep(["AB2"])
    assert (second.held, second.planner, second.idle) == ({"AB2"}, "", ())


async def test_ingest_that_knows_no_account_leaves_the_pool_to_others(tenancy) -> None:
    first, second = tenancy("one"), tenancy("two")
    await first.keep([])
    await second.keep(["AB1"])
    assert second.held == {"AB1"}
    await second.keep([])
    await first.keep(["AB1"])
    assert (first.held, second.held) == ({"AB1"}, frozenset())


async def test_ingest_that_lost_the_pool_gives_every_account_up(tenancy, redis) -> None:
    first = tenancy("one")
    await first.keep(["AB1", "AB2"])
    until_ms = 10**15
    thief = {"owner": "thief", "fence": 9_999_999_999, "until_ms": until_ms}
    await redis.hset("lease.ingest-pool", mapping=thief)
    await first.keep(["AB1", "AB2"])
    assert (first.held, first.planner) == (frozenset(), "thief")


async def test_account_that_is_no_longer_wanted_is_free_at_once(tenancy, redis) -> None:
    first = tenancy("one")
    await first.keep(["AB1", "AB2"])
    await first.keep(["AB2"])
    assert await holder(redis, "ingest.AB1") is None
    assert (await holder(redis, "ingest.AB2")).owner == "one"


async def test_lease_that_redis_forgot_is_taken_again_in_the_same_turn(tenancy, redis) -> None:
    first = tenancy("one")
    await first.keep(["AB1"])
    await redis.delete("lease.ingest.AB1")
    await first.keep(["AB1"])
    assert first.held == {"AB1"}


async def test_lease_of_the_dead_is_free_after_its_time(tenancy) -> None:
    await tenancy("one", ttl_s=0.05).keep(["AB1"])
    second = tenancy("two")

    async def taken() -> bool:
        await second.keep(["AB1"])
        return second.held == {"AB1"}

    await eventually(taken)


async def test_lost_account_is_not_ours_though_the_others_are(tenancy, redis) -> None:
    first = tenancy("one")
    await first.keep(["AB1", "AB2"])
    await redis.hset("lease.ingest.AB1", mapping={"owner": "thief", "fence": 9_999_999_999})
    await first.keep(["AB1", "AB2"])
    assert first.held == {"AB2"}
    assert first.others == {"AB1": "thief"}
