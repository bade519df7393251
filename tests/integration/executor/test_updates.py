"""The broker's own socket under faults, its updates brought to an executor that does not poll."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from executor.broker.pace import ORDER_REQUESTS
from executor.rules.lifecycle import UNSENT
from executor.wiring import build
from shared.streams.client import connect
from shared.streams.limiter import RateLimiter, Window
from shared.wire.codec import encode
from shared.wire.control import Control
from shared.wire.topics import CONTROL
from tests.integration.executor.conftest import (
    LAST_PRICE,
    limit_order,
    resources_of,
    updates_brought,
)
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

#: Far beyond a test: what is learnt is learnt from updates.
UNPOLLED = {"poll_s_min": 60.0, "poll_s_max": 60.0, "positions_s": 60.0}


@pytest.fixture
def sandbox(quiet_sandbox):
    return quiet_sandbox


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "delay_updates", "seconds": 0.4, "count": 1},
        {"kind": "duplicate_updates", "count": None},
        {"kind": "reverse_updates", "count": None},
    ],
    ids=["delayed", "duplicated", "reordered"],
)
async def test_order_filled_under_faulty_updates_ends_complete_once(room, fault):
    async with updates_brought(room) as heard, room.executor(**UNPOLLED):
        await room.ready()
        await room.fault(account=room.account, **fault)
        placed = await room.send(**limit_order(quantity=3))
        await room.until_state(placed, "OPEN")
        changed = await room.send(
            kind="modify", target_command_id=placed, price=str(LAST_PRICE + 10)
        )
        await room.until_state(changed, "ACCEPTED")
        events = await room.until_state(placed, "COMPLETE")
        assert events[-1].filled_quantity == 3
        if fault["kind"] == "duplicate_updates":
            await eventually(lambda: len(heard) > len({json.dumps(each) for each in heard}))
    events = await room.events(placed)
    states = [str(each.state) for each in events]
    assert states.count("COMPLETE") == 1
    filled = [each.filled_quantity for each in events]
    assert filled == sorted(filled), "a fill is never taken back"
    assert len(await room.book()) == 1


async def test_update_that_never_comes_is_made_up_for_by_the_order_book(room):
    async with updates_brought(room) as heard, room.executor():
        await room.ready()
        await room.fault(kind="drop_updates", account=room.account, count=None)
        placed = await room.send(**limit_order(price=str(LAST_PRICE + 10)))
        await room.until_state(placed, "COMPLETE")
    assert heard == []


async def test_fill_that_arrives_while_a_modify_waits_ends_it_unsent(room, orders_redis):
    async with updates_brought(room), room.executor(**UNPOLLED):
        await room.ready()
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        since = (await asyncio.to_thread(room.sandbox.get, "state"))["received"]["sequence"]
        url = orders_redis.url_for("executor")
        async with connect(url, name="other", settings=room.settings.redis) as redis:
            # As after somebody else's 429: nobody of the account has a turn.
            windows = {ORDER_REQUESTS: (Window("second", 1, 9),)}
            await RateLimiter(redis, windows).pause(room.account, ORDER_REQUESTS, 1.5)
        waiting = await room.send(kind="modify", target_command_id=placed, price="1451")
        await room.until(waiting, "received")
        await asyncio.to_thread(room.sandbox.post, "price", symbol="INFY", price=LAST_PRICE - 60)
        await room.until_state(placed, "COMPLETE")
        assert (await room.events(waiting))[-1].state in UNSENT, "it still waits for its turn"
        events = await room.until_state(waiting, "REFUSED")
        assert events[-1].reason.code == "target_ended"
        received = await asyncio.to_thread(room.sandbox.get, "received", since=since)
        mine = [each for each in received["entries"] if each.get("account") == room.account]
        assert [each for each in mine if each.get("method") == "PUT"] == []


async def test_missed_updates_told_between_the_making_of_an_executor_and_its_first_read_are_heard(
    room, ticks_redis
):
    async with AsyncExitStack() as stack:
        worker = await build(room.settings, resources_of(stack))
        missed, desk = worker._parts.missed, worker._parts.desk
        async with Redis.from_url(ticks_redis.url_for("ops").reveal()) as ticks:
            hint = Control(kind="order_updates_missed", subject=room.account)
            await ticks.xadd(CONTROL.name(), encode(hint))
        stopping = asyncio.Event()
        hearing = asyncio.create_task(missed.run(stopping))
        try:
            await asyncio.wait_for(desk.look_soon.wait(), 30)
        finally:
            stopping.set()
            await hearing
