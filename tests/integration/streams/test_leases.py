from __future__ import annotations

import pytest

from shared.clock import ManualClock
from shared.errors import LeaseLost, StreamError
from shared.streams.leases import acquire, holder, key

pytestmark = pytest.mark.integration

NAME = "enrich.shard.0"


async def expire(redis):
    """Let the lease run out without waiting for it."""
    await redis.hset(key(NAME), "until_ms", 0)


async def test_lease_is_held_by_one_owner_at_a_time(redis):
    clock = ManualClock()
    first = await acquire(redis, NAME, "one", 30.0, clock=clock)
    assert first is not None
    assert first.holding()
    assert await acquire(redis, NAME, "two", 30.0, clock=clock) is None
    assert await acquire(redis, "enrich.shard.1", "two", 30.0, clock=clock) is not None


async def test_lease_that_ran_out_goes_to_the_next_owner_with_a_higher_fence(redis):
    clock = ManualClock()
    first = await acquire(redis, NAME, "one", 30.0, clock=clock)
    await expire(redis)
    second = await acquire(redis, NAME, "two", 30.0, clock=clock)
    assert second.fence > first.fence
    with pytest.raises(LeaseLost, match="two holds it"):
        await first.renew()
    assert not first.holding()


async def test_lease_released_is_free_at_once(redis):
    clock = ManualClock()
    first = await acquire(redis, NAME, "one", 30.0, clock=clock)
    await first.release()
    assert not first.holding()
    second = await acquire(redis, NAME, "two", 30.0, clock=clock)
    assert second.fence > first.fence
    await first.release()
    assert (await holder(redis, NAME)).owner == "two"


async def test_owner_that_comes_back_takes_over_from_its_former_self(redis):
    clock = ManualClock()
    former = await acquire(redis, NAME, "one", 30.0, clock=clock)
    back = await acquire(redis, NAME, "one", 30.0, clock=clock)
    assert back.fence > former.fence
    with pytest.raises(LeaseLost):
        await former.renew()
    await back.renew()


async def test_lease_not_renewed_is_not_trusted_before_it_ends_in_redis(redis):
    clock = ManualClock()
    lease = await acquire(redis, NAME, "one", 30.0, clock=clock)
    clock.advance(26.9)
    assert lease.holding()
    clock.advance(0.2)
    assert not lease.holding()
    await lease.renew()
    assert lease.holding()
    held = await holder(redis, NAME)
    assert held.fence == lease.fence
    assert 29.0 < held.remaining_s <= 30.0


async def test_lease_nobody_holds_has_no_holder(redis):
    assert await holder(redis, NAME) is None
    lease = await acquire(redis, NAME, "one", 30.0, clock=ManualClock())
    await expire(redis)
    assert await holder(redis, NAME) is None
    await lease.renew()
    assert (await holder(redis, NAME)).owner == "one"


async def test_lease_forgotten_by_a_restarted_redis_is_lost_and_its_fence_goes_on_growing(
    redis, plain_redis
):
    clock = ManualClock()
    lease = await acquire(redis, NAME, "one", 30.0, clock=clock)
    plain_redis.stop()
    with pytest.raises(StreamError, match="renewal of lease"):
        await lease.renew()
    assert lease.holding()
    plain_redis.start()
    with pytest.raises(LeaseLost, match="nobody holds it"):
        await lease.renew()
    await redis.hset(key(NAME), "fence", 2_000_000_000)
    again = await acquire(redis, NAME, "one", 30.0, clock=clock)
    assert again.fence == 2_000_000_001 > lease.fence > 1_700_000_000
