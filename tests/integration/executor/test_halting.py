"""Nothing leaves for the broker once a halt has been confirmed."""

from __future__ import annotations

import asyncio

import pytest

from executor.rules.tag import tag_of
from shared.clock import SystemClock
from shared.store.halting import wait_for_outrun
from shared.store.pool import open_pool
from shared.store.trading import TradingSwitch, set_trading
from tests.integration.executor.conftest import limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

HALT = TradingSwitch(scope="global", subject="", state="HALTED", set_by="test", changed_us=1)


async def placements_received(room):
    received = await asyncio.to_thread(room.sandbox.get, "received", since=0)
    return sum(
        entry.get("method") == "POST" and str(entry.get("path", "")).startswith("/orders/")
        for entry in received["entries"]
    )


async def test_no_placement_leaves_after_a_halt_in_a_burst_has_been_confirmed(room):
    lifted = {"orders_per_second_max": 1000, "orders_per_minute_max": 1000, "sends_max": 8}
    before = await placements_received(room)
    async with room.executor(**lifted, runaway_orders_max=0, duplicate_window_s=0):
        await room.ready()
        await room.fault(kind="slow", method="POST", path="/orders", seconds=0.1, count=None)
        sent = [await room.send(**limit_order()) for _ in range(60)]

        async def are_some_on_their_way():
            return await placements_received(room) >= before + 10

        await eventually(are_some_on_their_way)
        async with open_pool(room.settings.postgres) as pool:
            await set_trading(pool, HALT)
            outrun = await wait_for_outrun(pool, HALT, clock=SystemClock(), within_s=30)
        at_confirmation = await placements_received(room)
        assert outrun.left == ()
        ends = [(await room.until_state(each, "OPEN", "REFUSED"))[-1] for each in sent]
        assert await placements_received(room) == at_confirmation
    refused = {each.command_id for each in ends if each.state == "REFUSED"}
    assert len(sent) - len(refused) == at_confirmation - before
    assert refused, "the halt came too late for all of them"
    tags = {row["tag"] for row in await room.book()}
    assert not tags & {tag_of(room.account, each) for each in refused}
