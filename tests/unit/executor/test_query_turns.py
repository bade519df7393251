"""Turns of reads, over budgets in memory: who goes first, and that nobody goes twice in a second."""

from __future__ import annotations

import asyncio

import pytest

from executor.reads.turns import Turns
from shared.clock import ManualClock, SystemClock
from shared.errors import StreamError
from shared.streams.limiter import Granted, WaitUntil
from tests.support.eventually import eventually

QUOTE = "quote"


class Limiter:
    """Grants turns while there are any; what it is told to fail with comes first."""

    def __init__(self, turns=100):
        self.turns, self.taken, self.failures = turns, [], []

    async def take(self, account, rate):
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        if self.turns <= 0:
            return WaitUntil(0.01)
        self.turns -= 1
        self.taken.append((account, rate))
        return Granted(0)


def turns_over(limiter, clock=None):
    # A clock that stands still is one second that does not end: one quote leaves in it.
    return Turns(limiter, "AB1234", clock or ManualClock(0), other_per_second_max=10)


async def test_price_question_goes_before_every_query_that_waits():
    limiter, went = Limiter(turns=0), []
    turns = turns_over(limiter)

    async def go(name, waiting):
        await waiting
        went.append(name)

    async with asyncio.TaskGroup() as group:
        queries = [group.create_task(go("query", turns.wait(QUOTE))) for _ in range(3)]
        await asyncio.sleep(0.03)
        group.create_task(go("question", turns.wait_first(QUOTE)))
        await asyncio.sleep(0.03)
        limiter.turns = 10
        await eventually(lambda: went)
        for query in queries:
            query.cancel()
    assert went == ["question"]


async def test_queries_go_on_after_a_question_that_was_given_up():
    limiter = Limiter(turns=0)
    turns = turns_over(limiter)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await turns.wait_first(QUOTE)
    limiter.turns = 1
    async with asyncio.timeout(5):
        await turns.wait(QUOTE)


async def test_no_two_quotes_leave_within_a_second_whoever_sends_them():
    limiter, clock = Limiter(), ManualClock(0)
    turns = turns_over(limiter, clock)
    await turns.wait_first(QUOTE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await turns.wait_first(QUOTE)
    assert len(limiter.taken) == 1
    clock.advance(1.1)
    await turns.wait_first(QUOTE)
    assert len(limiter.taken) == 2


async def test_question_without_the_redis_of_the_budgets_waits_for_it():
    limiter = Limiter()
    limiter.failures = [StreamError("away")]
    async with asyncio.timeout(5):
        await turns_over(limiter, SystemClock()).wait_first(QUOTE)
    assert limiter.taken == [("AB1234", QUOTE)]
