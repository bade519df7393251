"""Shards are owned by one worker at a time, taken and given up as told."""

from __future__ import annotations

import pytest

from enrich.settings import EnrichOptions
from enrich.shards import LOOKS_MAX, RENEWALS_PER_LEASE, Shards, take_over_s_max
from shared.clock import ManualClock
from shared.errors import LeaseLost, StreamError

pytestmark = pytest.mark.integration


class Owner:
    """A worker's shards with what it was told of them."""

    def __init__(self, redis, name: str, clock: ManualClock, **options: float) -> None:
        chosen = EnrichOptions(lease_s=3.0, **options)
        self.shards = Shards(redis, owner=name, options=chosen, clock=clock)
        self.told: list[tuple[str, int]] = []
        self.failing = False

    async def maintain(self, shards: int = 2) -> None:
        await self.shards.maintain(shards, taken=self._taken, lost=self.lost, giving=self._giving)

    async def _giving(self, shard: int) -> None:
        assert self.shards.fence(shard), "still ours while it is given"
        self.told.append(("giving", shard))

    def lost(self, shard: int) -> None:
        self.told.append(("lost", shard))

    async def _taken(self, shard: int) -> None:
        if self.failing:
            raise StreamError("away while taking over")
        self.told.append(("taken", shard))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_free_shards_are_taken_under_a_fence(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    await one.maintain()
    assert one.shards.held == (0, 1)
    assert one.told == [("taken", 0), ("taken", 1)]
    assert one.shards.fence(0) > 0


async def test_owned_shard_is_nobody_elses_until_it_is_released(market, clock) -> None:
    one, two = Owner(market.redis, "one", clock), Owner(market.redis, "two", clock)
    await one.maintain()
    await two.maintain()
    assert two.shards.held == ()
    before = one.shards.fence(0)
    await one.shards.release()
    clock.advance(1.0)
    await two.maintain()
    assert two.shards.held == (0, 1)
    assert two.shards.fence(0) > before
    with pytest.raises(LeaseLost, match="shard 0"):
        one.shards.fence(0)


async def test_worker_takes_no_more_than_it_may(market, clock) -> None:
    one = Owner(market.redis, "one", clock, shards_max=1)
    two = Owner(market.redis, "two", clock)
    await one.maintain(3)
    await two.maintain(3)
    assert (one.shards.held, two.shards.held) == ((0,), (1, 2))


async def test_shard_whose_take_over_failed_is_tried_again(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    one.failing = True
    with pytest.raises(StreamError):
        await one.maintain()
    assert (one.shards.held, one.told) == ((), [("lost", 0)])
    one.failing = False
    await one.maintain()
    assert one.shards.held == (0, 1)


async def test_shards_beyond_a_smaller_map_are_given_up(market, clock) -> None:
    one, two = Owner(market.redis, "one", clock), Owner(market.redis, "two", clock)
    await one.maintain(3)
    clock.advance(1.0)
    await one.maintain(2)
    assert one.shards.held == (0, 1)
    await two.maintain(3)
    assert two.shards.held == (2,)


async def test_stolen_lease_is_noticed_at_the_next_renewal(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    await one.maintain()
    await market.redis.hset("lease.enrich.1", mapping={"owner": "two", "until_ms": 2**50})
    await one.maintain()
    assert one.shards.held == (0, 1), "nothing is asked before it is due"
    clock.advance(1.0)
    await one.maintain()
    assert one.shards.held == (0,)
    assert one.told[-1] == ("lost", 1)


async def test_lease_that_was_not_renewed_is_not_trusted(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    await one.maintain()
    clock.advance(2.8)
    with pytest.raises(LeaseLost, match="the lease of one is over"):
        one.shards.fence(0)


async def test_forgotten_shards_are_had_again_under_a_higher_fence(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    await one.maintain()
    before = one.shards.fence(1)
    one.shards.forget_all(one.lost, reason="test")
    assert one.shards.held == ()
    await one.maintain()
    assert one.shards.fence(1) > before


async def rounds(clock, *owners: Owner, shards: int, count: int = 6) -> None:
    """Let every owner have so many turns, a renewal apart."""
    for _ in range(count):
        clock.advance(1.0)
        for owner in owners:
            await owner.maintain(shards)


async def test_worker_that_starts_is_given_its_part(market, clock) -> None:
    one, two = Owner(market.redis, "one", clock), Owner(market.redis, "two", clock)
    await one.maintain(4)
    assert one.shards.held == (0, 1, 2, 3)
    await rounds(clock, two, one, shards=4)
    assert (len(one.shards.held), len(two.shards.held)) == (2, 2)
    given = one.told.index(("giving", two.shards.held[0]))
    assert one.told[given + 1] == ("lost", two.shards.held[0])
    held = one.shards.held
    await rounds(clock, two, one, shards=4)
    assert one.shards.held == held, "what is even stays"


async def test_shards_are_shared_by_what_they_bring(market, clock) -> None:
    one, two = Owner(market.redis, "one", clock), Owner(market.redis, "two", clock)
    await one.maintain(4)
    for _ in range(8):
        clock.advance(1.0)
        for owner in (one, two):
            if 0 in owner.shards.held:
                owner.shards.weigh(0, 900_000)
            await owner.maintain(4)
    hot = one if 0 in one.shards.held else two
    assert hot.shards.held == (0,), "a hot shard has a worker of its own"


def test_dead_owner_is_followed_within_five_seconds_by_construction() -> None:
    assert take_over_s_max(EnrichOptions()) < 5.0


@pytest.mark.parametrize("dead_owners_load", ["told", "forgotten"])
async def test_shard_of_a_dead_owner_is_taken_at_the_second_look_at_the_latest(
    market, clock, dead_owners_load
) -> None:
    one, two = Owner(market.redis, "one", clock), Owner(market.redis, "two", clock)
    look_s = 3.0 / RENEWALS_PER_LEASE
    await one.maintain(1)
    await two.maintain(1)
    two.shards.weigh(0, 10**9)  # however heavy it is
    await market.redis.hset("lease.enrich.0", "until_ms", 0)
    if dead_owners_load == "forgotten":
        await market.redis.hdel("lease.loads.enrich", "one")
    looks = 0
    while not two.shards.held:
        looks += 1
        assert looks <= LOOKS_MAX
        clock.advance(look_s)
        await two.maintain(1)
    assert two.told == [("taken", 0)]


async def test_worker_told_not_to_rebalance_keeps_what_it_has(market, clock) -> None:
    one = Owner(market.redis, "one", clock, rebalance=False)
    two = Owner(market.redis, "two", clock)
    await one.maintain(3)
    await rounds(clock, two, one, shards=3)
    assert (len(one.shards.held), two.shards.held) == (3, ())


async def test_worker_without_room_is_given_nothing(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    full = Owner(market.redis, "full", clock, shards_max=1)
    await one.maintain(4)
    await rounds(clock, full, one, shards=4)
    assert (len(one.shards.held), len(full.shards.held)) == (3, 1)


async def test_shards_of_a_dead_worker_are_spread_over_the_living(market, clock) -> None:
    owners = [Owner(market.redis, name, clock) for name in ("one", "two", "three")]
    await owners[0].maintain(6)
    await rounds(clock, *reversed(owners), shards=6, count=10)
    assert [len(owner.shards.held) for owner in owners] == [2, 2, 2]
    for shard in owners[0].shards.held:
        await market.redis.hset(f"lease.enrich.{shard}", "until_ms", 0)
    await market.redis.hdel("lease.loads.enrich", "one")
    await rounds(clock, *owners[1:], shards=6, count=4)
    assert [len(owner.shards.held) for owner in owners[1:]] == [3, 3]


async def test_drained_worker_is_counted_no_more(market, clock) -> None:
    one = Owner(market.redis, "one", clock)
    await one.maintain()
    assert await market.redis.hkeys("lease.loads.enrich") == [b"one"]
    await one.shards.release()
    assert await market.redis.hkeys("lease.loads.enrich") == []
