from __future__ import annotations

import asyncio
import math

import pytest

from shared.errors import StreamError
from shared.streams.client import connect
from shared.streams.limiter import IST_OFFSET_S, Granted, RateLimiter, WaitUntil, Window, key
from tests.support.restartable_redis import RestartableRedis

pytestmark = pytest.mark.integration

SECOND = Window("second", 1, 10, reserved=2)
MINUTE = Window("minute", 60, 15)
DAY = Window("day", 86_400, 3000)
WINDOWS = {"order": (SECOND, MINUTE, DAY), "quote": (Window("second", 1, 1),)}


@pytest.fixture
async def minute_s(redis):
    """Give the start of a minute that is near enough to the present to be believed."""
    seconds, _ = await redis.time()
    return seconds // 60 * 60


@pytest.fixture
def limiter(redis):
    return RateLimiter(redis, WINDOWS)


@pytest.fixture
async def redis_away(tmp_path):
    """Give a Redis that a test may take away."""
    server = RestartableRedis(tmp_path)
    await server.start()
    yield server
    server.stop()


async def taken(limiter, times, **more):
    grants = [await limiter.take("AB1234", "order", **more) for _ in range(times)]
    return sum(isinstance(grant, Granted) for grant in grants)


async def test_limiter_grants_up_to_the_limit_of_a_second_less_its_reserve(limiter, minute_s):
    assert await taken(limiter, 12, server_s=minute_s) == 8
    assert await limiter.take("AB1234", "order", server_s=minute_s + 0.25) == WaitUntil(0.75)
    assert await taken(limiter, 5, reserve=True, server_s=minute_s) == 2


async def test_limiter_in_the_next_second_grants_again_until_the_minute_is_full(limiter, minute_s):
    assert await taken(limiter, 8, server_s=minute_s) == 8
    assert await taken(limiter, 12, server_s=minute_s + 1) == 7
    assert await limiter.take("AB1234", "order", server_s=minute_s + 2) == WaitUntil(58.0)
    assert await taken(limiter, 1, server_s=minute_s + 60) == 1


async def test_limiter_says_what_each_window_has_left(limiter, minute_s):
    assert await limiter.take("AB1234", "order", server_s=minute_s) == Granted((7, 14, 2999))
    assert await limiter.take("AB1234", "order", 3, server_s=minute_s) == Granted((4, 11, 2996))


async def test_limiter_refusing_takes_nothing_from_any_window(limiter, minute_s):
    await limiter.take("AB1234", "order", 8, server_s=minute_s)
    await limiter.take("AB1234", "order", server_s=minute_s)
    assert await limiter.take("AB1234", "order", 7, server_s=minute_s + 1) == Granted((1, 0, 2985))


async def test_period_of_a_day_begins_at_midnight_of_its_zone(redis, minute_s):
    zone_s = -minute_s % 86_400
    limiter = RateLimiter(redis, {"order": (Window("day", 86_400, 1, offset_s=zone_s),)})
    assert await limiter.take("A", "order", server_s=minute_s - 1) == Granted((0,))
    assert await limiter.take("A", "order", server_s=minute_s - 1) == WaitUntil(1.0)
    assert await limiter.take("A", "order", server_s=minute_s) == Granted((0,))


def test_days_are_those_of_india():
    assert DAY.offset_s == IST_OFFSET_S == 5.5 * 3600


async def test_accounts_and_classes_do_not_share(limiter, minute_s):
    assert isinstance(await limiter.take("A", "quote", server_s=minute_s), Granted)
    assert isinstance(await limiter.take("A", "quote", server_s=minute_s), WaitUntil)
    assert isinstance(await limiter.take("B", "quote", server_s=minute_s), Granted)
    assert isinstance(await limiter.take("A", "order", server_s=minute_s), Granted)


async def test_caller_whose_clock_is_a_period_behind_takes_from_the_period_under_way(
    limiter, minute_s
):
    assert await taken(limiter, 8, server_s=minute_s + 1) == 8
    assert await limiter.take("AB1234", "order", server_s=minute_s + 0.5) == WaitUntil(1.5)


async def test_server_time_that_cannot_be_does_not_begin_another_day(limiter, minute_s):
    (_, _, left) = (await limiter.take("AB1234", "order", server_s=minute_s)).left
    answers = [
        await limiter.take("AB1234", "order", server_s=minute_s + days * 86_400)
        for days in (1, -1, 400)
    ]
    assert [answer.left[2] for answer in answers] == [left - 1, left - 2, left - 3]


async def test_limiter_by_the_clock_of_redis_grants_and_refuses(redis):
    limiter = RateLimiter(redis, {"order": (DAY, Window("minute", 60, 1))})
    answers = [await limiter.take("A", "order") for _ in range(3)]
    # A minute may end between two of them, not between each.
    assert any(isinstance(answer, WaitUntil) and 0 < answer.seconds <= 60 for answer in answers)


async def test_many_callers_at_once_get_no_more_than_the_limit(limiter, minute_s):
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(limiter.take("A", "order", server_s=minute_s), name=f"take {n}")
            for n in range(30)
        ]
    assert sum(isinstance(task.result(), Granted) for task in tasks) == 8


async def test_limiter_whose_script_redis_has_forgotten_counts_each_turn_once(
    limiter, redis, minute_s
):
    assert await taken(limiter, 3, server_s=minute_s) == 3
    await redis.script_flush()
    asked = [limiter.take("AB1234", "order", server_s=minute_s) for _ in range(9)]
    grants = await asyncio.gather(*asked)
    assert sum(isinstance(grant, Granted) for grant in grants) == 5
    assert await limiter.take("AB1234", "order", reserve=True, server_s=minute_s) == Granted(
        (1, 6, 2991)
    )


async def test_limiter_that_is_warmed_up_takes_nothing(limiter, minute_s):
    await limiter.warm()
    assert await limiter.take("AB1234", "order", server_s=minute_s) == Granted((7, 14, 2999))


async def test_callers_that_wait_together_are_asked_with_who_may_use_the_reserve_first(
    limiter, minute_s
):
    placing = [limiter.take("AB1234", "order", server_s=minute_s) for _ in range(12)]
    cancelling = [limiter.take("AB1234", "order", reserve=True, server_s=minute_s) for _ in "ab"]
    *placed, first, second = await asyncio.gather(*placing, *cancelling)
    assert isinstance(first, Granted)
    assert isinstance(second, Granted)
    assert sum(isinstance(grant, Granted) for grant in placed) <= 8


async def test_callers_that_wait_for_a_redis_that_is_away_are_granted_nothing(redis_away):
    async with connect(redis_away.url, name="test", settings=redis_away.settings) as redis:
        limiter = RateLimiter(redis, WINDOWS)
        assert isinstance(await limiter.take("AB1234", "order"), Granted)
        redis_away.stop()
        answers = await asyncio.gather(
            *(limiter.take("AB1234", "order") for _ in range(5)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [StreamError] * 5
        await redis_away.start()
        assert isinstance(await limiter.take("AB1234", "order"), Granted)


async def test_caller_that_gives_up_while_it_waits_takes_no_turn(limiter, minute_s):
    asked = [
        asyncio.create_task(limiter.take("AB1234", "order", server_s=minute_s)) for _ in range(4)
    ]
    await asyncio.sleep(0)
    asked[-1].cancel()
    await asyncio.wait(asked)
    assert await limiter.take("AB1234", "order", server_s=minute_s) == Granted((4, 11, 2996))


async def test_pause_stops_a_class_and_a_shorter_one_does_not_shorten_it(limiter):
    await limiter.pause("A", "order", 30)
    await limiter.pause("A", "order", 1)
    answer = await limiter.take("A", "order")
    assert isinstance(answer, WaitUntil)
    assert 29 < answer.seconds <= 30
    assert isinstance(await limiter.take("A", "quote"), Granted)


async def test_pause_is_bounded(limiter):
    await limiter.pause("A", "order", 1e9)
    assert (await limiter.take("A", "order")).seconds <= 3600


async def test_budget_is_forgotten_after_two_days(limiter, redis):
    await limiter.take("A", "order")
    assert 86_400 < await redis.ttl(key("A", "order")) <= 2 * 86_400


async def test_cost_that_never_fits_waits_for_ever(limiter):
    assert await limiter.take("A", "order", 9) == WaitUntil(math.inf)
    assert await limiter.take("A", "order", 11, reserve=True) == WaitUntil(math.inf)


async def test_cost_under_one_is_refused(limiter):
    with pytest.raises(ValueError, match="cost 0 of order"):
        await limiter.take("A", "order", 0)


def test_windows_that_cannot_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="twice of one name"):
        RateLimiter(None, {"order": (MINUTE, MINUTE)})
    with pytest.raises(ValueError, match="windows missing"):
        RateLimiter(None, {"order": ()})


def test_windows_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="reserved 11"):
        Window("second", 1, 10, reserved=11)
    with pytest.raises(ValueError, match="period_s 0"):
        Window("second", 0, 10)


async def test_spread_window_never_exceeds_its_limit_in_any_second_of_any_clock(redis):
    spread = RateLimiter(redis, {"order": (Window("second", 1, 4, reserved=1, spread_ms=1100),)})
    times, loop = [], asyncio.get_running_loop()
    ends_s = loop.time() + 3.3
    while loop.time() < ends_s:
        granted = await spread.take("AB1234", "order")
        if isinstance(granted, Granted):
            seconds, microseconds = await redis.time()
            times.append(seconds + microseconds / 1e6)
        else:
            assert 0 < granted.seconds <= 1.2
            await asyncio.sleep(min(granted.seconds, 0.05))
    assert len(times) >= 6
    for first, fourth in zip(times, times[3:], strict=False):
        assert fourth - first > 1.0
    assert isinstance(await spread.take("AB1234", "order", reserve=True), Granted)
