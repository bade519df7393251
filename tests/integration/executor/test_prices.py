"""Prices that nobody streams, asked of the sandbox's Kite before an order has its turn."""

from __future__ import annotations

import asyncio
import uuid

import msgspec
import pytest
from prometheus_client import REGISTRY

from executor.crash import CrashPoint
from executor.rules.tag import tag_of
from shared.wire.topics import COMMANDS
from tests.integration.executor.conftest import CrashNow, limit_order
from tests.support.eventually import eventually

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


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"kind": "slow", "seconds": 3.0}, "late"),
        ({"kind": "http_5xx"}, "failed"),
        ({"kind": "http_429"}, "throttled"),
        ({"kind": "http_error", "status": 403, "error_type": "PermissionException"}, "refused"),
    ],
)
@pytest.mark.parametrize(("is_required", "state"), [(True, "REFUSED"), (False, "OPEN")])
async def test_question_that_fails_leaves_the_order_to_the_rules_within_its_limit(
    room, fault, outcome, is_required, state
):
    await room.fault(method="GET", path="/quote/ltp", **fault)
    before, wait_s = ended(outcome), 0.3 if outcome == "late" else 5
    async with room.executor(last_price_wait_s=wait_s, last_price_required=is_required):
        await room.ready()
        command_id = await room.send(**limit_order())
        events = await room.until_state(command_id, state)
    assert ended(outcome) == before + 1
    if is_required:
        assert events[-1].reason.code == "last_price_unknown"
        assert "sending" not in [each.event for each in events]
        took_us = events[-1].at_us - events[0].at_us
        assert took_us < wait_s * 1e6 + 2e6, "not much more than the limit"


async def test_price_band_is_judged_by_kites_word_and_says_so(room):
    async with room.executor(last_price_wait_s=5, price_band_percent=20):
        await room.ready()
        command_id = await room.send(**limit_order(price="1900"))
        reason = (await room.until_state(command_id, "REFUSED"))[-1].reason
        assert reason.code == "price_band"
        assert (
            "last price of 1500 rupees (not streamed; as Kite told it 0 s ago)" in reason.sentence
        )


async def test_modify_of_an_order_placed_elsewhere_is_judged_by_kites_word(room):
    order_id = await room.place_elsewhere(price="1400")
    async with room.executor(last_price_wait_s=5):
        await room.ready()
        command_id = await room.send(kind="modify", order_id=order_id, price="1900")
        events = await room.until_state(command_id, "REFUSED")
    assert events[-1].reason.code == "price_band"


async def test_instrument_kite_has_no_price_of_is_refused_where_a_price_is_required(room):
    before = ended("unpriced")
    async with room.executor(last_price_wait_s=5, last_price_required=True):
        await room.ready()
        command_id = await room.send(**limit_order(tradingsymbol="NOSUCHTHING"))
        reason = (await room.until_state(command_id, "REFUSED"))[-1].reason
    assert reason.code == "last_price_unknown"
    assert ended("unpriced") == before + 1


async def test_exits_and_cancels_leave_while_every_place_would_be_taken_by_a_slow_question(room):
    async with room.executor(
        last_price_wait_s=10, last_price_required=True, sends_max=1, positions_s=0.2
    ):
        await room.ready()
        bought = await room.send(**limit_order(price="1600", quantity=3))
        await room.until_state(bought, "COMPLETE")
        resting = await room.send(**limit_order())
        await room.until_state(resting, "OPEN")
        await room.fault(kind="slow", method="GET", path="/quote/ltp", seconds=15.0, count=None)
        waiting = [
            await room.send(**limit_order(tradingsymbol=name, price="500"))
            for name in ("SBIN", "RELIANCE")
        ]
        for each in waiting:
            await room.until(each, "received")
        cancel = await room.send(kind="cancel", target_command_id=resting)
        await room.until_state(cancel, "CANCELLED")

        async def leaves():
            leaving = await room.send(
                kind="exit", exchange="NSE", tradingsymbol="INFY", product="CNC", quantity=3
            )
            events = await room.until_state(leaving, "COMPLETE", "REFUSED")
            assert events[-1].state == "COMPLETE", events[-1].reason
            return True

        await eventually(leaves)
        for each in waiting:
            assert [event.event for event in await room.events(each)] == ["received"]
        await asyncio.to_thread(room.sandbox.delete, "faults")


async def test_exit_is_not_refused_because_kite_does_not_tell_the_price(room):
    await room.fault(kind="http_5xx", method="GET", path="/quote/ltp", count=None)
    async with room.executor(last_price_wait_s=5, positions_s=0.2):
        await room.ready()
        bought = await room.send(**limit_order(price="1600", quantity=3))
        await room.until_state(bought, "COMPLETE")
    since = await sequence(room)
    async with room.executor(last_price_wait_s=5, last_price_required=True, positions_s=0.2):
        await room.ready()

        async def leaves():
            leaving = await room.send(
                kind="exit", exchange="NSE", tradingsymbol="INFY", product="CNC", quantity=3
            )
            events = await room.until_state(leaving, "COMPLETE", "REFUSED")
            assert events[-1].state == "COMPLETE", events[-1].reason
            return True

        await eventually(leaves)
    assert await asked(room, since) == [], "an exit does not even ask"


async def test_cancel_ends_a_placement_that_waits_for_its_price(room):
    await room.fault(kind="slow", method="GET", path="/quote/ltp", seconds=15.0)
    async with room.executor(last_price_wait_s=10):
        await room.ready()
        since = await sequence(room)
        placed = await room.send(**limit_order())
        await room.until(placed, "received")
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until_state(cancel, "CANCELLED")
        assert (await room.until_state(placed, "CANCELLED"))[-1].event == "ended_unsent"
        await asyncio.to_thread(room.sandbox.delete, "faults")
    assert await posted(room, since) == []


async def posted(room, since):
    found = await asyncio.to_thread(room.sandbox.get, "received", since=since)
    return [each for each in found["entries"] if each.get("method") == "POST"]


@pytest.mark.parametrize("how", ["stopped while it waited", "crashed before it was SENDING"])
async def test_placement_whose_price_was_asked_is_sent_once_by_the_next_process(room, how):
    since, command_id = await sequence(room), uuid.uuid4().hex
    is_crash = how.startswith("crashed")
    if not is_crash:
        await room.fault(kind="slow", method="GET", path="/quote/ltp", seconds=15.0)

    def crash(point):
        if is_crash and point is CrashPoint.BEFORE_SENDING:
            raise CrashNow(point)

    async with room.executor(crash, last_price_wait_s=10, last_price_required=True) as task:
        await room.ready()
        await room.send(**limit_order(command_id=command_id))
        if is_crash:
            await eventually(task.done)
        else:
            await room.until(command_id, "received")
    assert await posted(room, since) == []
    await asyncio.to_thread(room.sandbox.delete, "faults")
    async with room.executor(last_price_wait_s=10, last_price_required=True):
        await room.until_state(command_id, "OPEN")
    assert len(await room.book(tag_of(room.account, command_id))) == 1
    assert len(await posted(room, since)) == 1
