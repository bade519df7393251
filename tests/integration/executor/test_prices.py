"""Prices that nobody streams, asked of the sandbox's Kite before an order has its turn."""

from __future__ import annotations

import asyncio
import uuid

import msgspec
import pytest
from prometheus_client import REGISTRY

from shared.wire.topics import COMMANDS
from tests.integration.executor.conftest import limit_order

pytestmark = pytest.mark.integration

MARKET = {"order_type": "MARKET", "price": None, "market_protection": -1}


@pytest.fixture
def sandbox(quiet_sandbox):
    return quiet_sandbox


async def asked(room, since=0):
    found = await asyncio.to_thread(room.sandbox.get, "received", since=since)
    return [each for each in found["entries"] if each.get("path") == "/quote/ltp"]


async def sequence(room):
    return (await asyncio.to_thread(room.sandbox.get, "received", since=10**9))["sequence"]


def ended(outcome):
    found = REGISTRY.get_sample_value(
        "tickflow_executor_price_questions_total", {"outcome": outcome}
    )
    return found or 0


async def test_market_order_of_what_nobody_streams_is_measured_by_kites_quote(room):
    async with room.executor(last_price_wait_s=5, order_notional_max=10_000):
        await room.ready()
        command_id = await room.send(**limit_order(**MARKET, quantity=7))
        reason = (await room.until_state(command_id, "REFUSED"))[-1].reason
        assert (reason.code, float(reason.measured)) == ("order_notional_limit", 10_500)


async def test_two_orders_at_once_make_one_request(room):
    async with room.executor(last_price_wait_s=5, last_price_required=True):
        await room.ready()
        since = await sequence(room)
        orders = [
            limit_order(command_id=uuid.uuid4().hex),
            limit_order(command_id=uuid.uuid4().hex, tradingsymbol="SBIN", price="500"),
        ]
        async with room.redis.pipeline(transaction=False) as pipeline:
            for order in orders:
                pipeline.xadd(COMMANDS.name(room.account), {b"json": msgspec.json.encode(order)})
            await pipeline.execute()
        for order in orders:
            await room.until_state(order["command_id"], "OPEN", "COMPLETE", "REJECTED")
        assert len(await asked(room, since)) == 1


@pytest.mark.parametrize(("is_required", "state"), [(True, "REFUSED"), (False, "OPEN")])
async def test_slow_quote_is_given_up_after_its_limit(room, is_required, state):
    await room.fault(kind="slow", method="GET", path="/quote/ltp", seconds=3.0)
    before = ended("late")
    async with room.executor(last_price_wait_s=0.2, last_price_required=is_required):
        await room.ready()
        command_id = await room.send(**limit_order())
        events = await room.until_state(command_id, state)
    assert ended("late") == before + 1
    if is_required:
        assert events[-1].reason.code == "last_price_unknown"
