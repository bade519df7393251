from __future__ import annotations

import asyncio
import random

import pytest

from executor.gate import Bar, Gate
from executor.steady import Patience
from shared.errors import KiteUnavailable, LeaseLost, StoreError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log


@pytest.fixture
def patience():
    gate = Gate()
    gate.open(*Bar)
    return Patience(gate, RetryPolicy(base_s=0.001, ceiling_s=0.001), random.Random(1), get_log())


def failing(*errors):
    left = list(errors)

    async def step():
        if left:
            raise left.pop(0)

    return step, left


@pytest.mark.parametrize(
    ("error", "bar"), [(StoreError("x"), Bar.STORE), (StreamError("x"), Bar.STREAMS)]
)
async def test_failure_of_a_dependency_closes_its_bar(patience, error, bar):
    step, _ = failing(error)
    assert not await patience.tried(step, name="step")
    assert patience.gate.is_closed(bar)


async def test_failure_of_the_broker_closes_nothing_by_itself(patience):
    step, _ = failing(KiteUnavailable("x"))
    assert not await patience.tried(step, name="step")
    assert patience.gate.passes("place")


async def test_lost_seat_travels_on(patience):
    step, _ = failing(LeaseLost("x"))
    with pytest.raises(LeaseLost):
        await patience.tried(step, name="step")


async def test_step_is_tried_until_it_is_done(patience):
    step, left = failing(StoreError("1"), StreamError("2"))
    assert await patience.until_done(step, name="step", stopping=asyncio.Event())
    assert not left


async def test_step_is_not_begun_when_stopping(patience):
    stopping = asyncio.Event()
    stopping.set()
    step, left = failing(StoreError("1"))
    assert not await patience.until_done(step, name="step", stopping=stopping)
    assert left


async def test_repeated_step_opens_its_bar_after_a_success(patience):
    stopping, calls = asyncio.Event(), []

    async def step():
        calls.append(len(calls))
        if len(calls) == 1:
            raise StreamError("away")
        assert patience.gate.is_closed(Bar.STREAMS)
        stopping.set()

    await patience.repeat(step, name="step", stopping=stopping, opens=Bar.STREAMS)
    assert len(calls) == 2
    assert not patience.gate.is_closed(Bar.STREAMS)
