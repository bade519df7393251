from __future__ import annotations

import asyncio
import math

import pytest

from shared.streams.limiter import IST_OFFSET_S, Granted, RateLimiter, WaitUntil, Window, key

pytestmark = pytest.mark.integration

SECOND = Window("second", 1, 10, reserved=2)
MINUTE = Window("minute", 60, 15)
DAY = Window("day", 86_400, 3000)
WINDOWS = {"order": (SECOND, MINUTE, DAY), "quote": (Window("second", 1, 1),)}
#: 2026-11-23 09:15:00 in India.
OPEN_S = 1_795_405_500.0


@pytest.fixture
def limiter(redis):
    return RateLimiter(redis, WINDOWS)


async def taken(limiter, times, **more):
    grants = [await limiter.take("AB1234", "order", **more) for _ in range(times)]
    return sum(isinstance(grant, Granted) for grant in grants)


async def test_limiter_grants_up_to_the_limit_of_a_second_less_its_reserve(limiter):
    assert await taken(limiter, 12, server_s=OPEN_S) == 8
    assert await limiter.take("AB1234", "order", server_s=OPEN_S + 0.25) == WaitUntil(0.75)
    assert await taken(limiter, 5, reserve=True, server_s=OPEN_S) == 2


async def test_limiter_in_the_next_second_grants_again_until_the_minute_is_full(limiter):
    assert await taken(limiter, 8, server_s=OPEN_S) == 8
    assert await taken(limiter, 12, server_s=OPEN_S + 1) == 7
    assert await limiter.take("AB1234", "order", server_s=OPEN_S + 2) == WaitUntil(58.0)
    assert await taken(limiter, 1, server_s=OPEN_S + 60) == 1


async def test_limiter_says_what_each_window_has_left(limiter):
    assert await limiter.take("AB1234", "order", server_s=OPEN_S) == Granted((7, 14, 2999))
    assert await limiter.take("AB1234", "order", 3, server_s=OPEN_S) == Granted((4, 11, 2996))


async def test_limiter_refusing_takes_nothing_from_any_window(limiter):
    await limiter.take("AB1234", "order", 8, server_s=OPEN_S)
    await limiter.take("AB1234", "order", server_s=OPEN_S)
    assert await limiter.take("AB1234", "order", 7, server_s=OPEN_S + 1) == Granted((1, 0, 2985))


async def test_day_begins_at_midnight_in_india(redis):
    limiter = RateLimiter(redis, {"order": (Window("day", 86_400, 1),)})
    midnight_s = (OPEN_S + IST_OFFSET_S) // 86_400 * 86_400 - IST_OFFSET_S
    assert await limiter.take("A", "order", server_s=midnight_s - 1) == Granted((0,))
    assert await limiter.take("A", "order", server_s=midnight_s - 1) == WaitUntil(1.0)
    assert await limiter.take("A", "order", server_s=midnight_s) == Granted((0,))


async def test_accounts_and_classes_do_not_share(limiter):
    assert isinstance(await limiter.take("A", "quote", server_s=OPEN_S), Granted)
    assert isinstance(await limiter.take("A", "quote", server_s=OPEN_S), WaitUntil)
    assert isinstance(await limiter.take("B", "quote", server_s=OPEN_S), Granted)
    assert isinstance(await limiter.take("A", "order", server_s=OPEN_S), Granted)


async def test_caller_whose_clock_is_a_period_behind_takes_from_the_period_under_way(limiter):
    assert await taken(limiter, 8, server_s=OPEN_S + 1) == 8
    assert await limiter.take("AB1234", "order", server_s=OPEN_S + 0.5) == WaitUntil(1.5)


async def test_second_far_in_the_future_does_not_stop_those_whose_clock_is_right(limiter):
    assert await taken(limiter, 8, server_s=OPEN_S + 86_400) == 8
    assert await taken(limiter, 8, server_s=OPEN_S) == 8


async def test_limiter_by_the_clock_of_redis_grants_and_refuses(redis):
    limiter = RateLimiter(redis, {"order": (DAY, Window("minute", 60, 1))})
    answers = [await limiter.take("A", "order") for _ in range(3)]
    # A minute may end between two of them, not between each.
    assert any(isinstance(answer, WaitUntil) and 0 < answer.seconds <= 60 for answer in answers)


async def test_many_callers_at_once_get_no_more_than_the_limit(limiter):
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(limiter.take("A", "order", server_s=OPEN_S), name=f"take {n}")
            for n in range(30)
        ]
    assert sum(isinstance(task.result(), Granted) for task in tasks) == 8


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
