"""Strategies that run away, held by the executor itself until a person lets them go."""

from __future__ import annotations

import asyncio
import uuid

import msgspec
import pytest

from shared.clock import SystemClock
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings
from shared.store.trading import TradingSwitch, get_trading, set_trading
from shared.wire.topics import COMMANDS
from tests.integration.executor.conftest import limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox(quiet_sandbox):
    return quiet_sandbox


async def switches(postgres_url):
    async with open_pool(PostgresSettings(url=postgres_url)) as pool:
        return [(each.scope, each.subject, each.state) for each in await get_trading(pool)]


async def refused(room, **facts):
    command_id = await room.send(**limit_order(**facts))
    events = await room.until_state(command_id, "REFUSED")
    return events[-1].reason.code


async def test_producer_that_sends_ever_more_is_stopped_after_so_many(room, postgres_url):
    async with room.executor(runaway_orders_max=3):
        await room.ready()
        for _ in range(3):
            placed = await room.send(**limit_order(strategy_id="mad"))
            await room.until_state(placed, "ACCEPTED", "OPEN")
        last = await room.send(**limit_order(strategy_id="mad"))
        told = await room.until(last, "received", "refused", "strategy_reduced")
        assert told[-1].reason.code == "runaway_orders"
        # Of a product that no test holds: a sale of what is held would only reduce.
        sale = {"transaction_type": "SELL", "price": "1600", "product": "MTF"}
        assert await refused(room, strategy_id="mad", **sale) == "trading_reducing"
        other = await room.send(**limit_order(strategy_id="calm"))
        await room.until_state(other, "ACCEPTED", "OPEN")
    assert await switches(postgres_url) == [("strategy", "mad", "REDUCING")]


async def test_strategy_rejected_so_often_in_a_row_is_held_until_it_is_let_go(room, postgres_url):
    async with room.executor(runaway_rejections_max=2):
        await room.ready()
        for _ in range(2):
            wrong = await room.send(**limit_order(strategy_id="mad", tradingsymbol="NOSUCHTHING"))
            await room.until_state(wrong, "REJECTED")
        assert await refused(room, strategy_id="mad") == "trading_reducing"
        async with open_pool(PostgresSettings(url=postgres_url)) as pool:
            await set_trading(
                pool,
                TradingSwitch(
                    scope="strategy",
                    subject="mad",
                    state="ACTIVE",
                    set_by="a person",
                    changed_us=SystemClock().now_ns() // 1000,
                ),
            )
        again = await room.send(**limit_order(strategy_id="mad"))
        await room.until_state(again, "ACCEPTED", "OPEN")


async def test_placement_worth_more_than_its_limit_is_refused_with_measure_and_limit(room):
    async with room.executor(order_notional_max=10_000):
        await room.ready()
        command_id = await room.send(**limit_order(quantity=7))
        events = await room.until_state(command_id, "REFUSED")
        assert events[-1].reason.code == "order_notional_limit"
        assert (events[-1].reason.measured, events[-1].reason.limit) == ("10150", "10000")


async def test_days_turnover_survives_a_restart(room):
    for expected in ("OPEN", "REFUSED"):
        async with room.executor(day_turnover_max=20_000):
            await room.ready()
            command_id = await room.send(**limit_order(quantity=10))
            events = await room.until_state(command_id, "OPEN", "REFUSED")
            assert events[-1].state == expected
    assert events[-1].reason.code == "day_turnover_limit"


async def test_modify_that_makes_the_order_too_large_is_refused_one_that_shrinks_it_passes(room):
    async with room.executor(order_quantity_max=5):
        await room.ready()
        placed = await room.send(**limit_order(quantity=3))
        await room.until_state(placed, "OPEN")
        large = await room.send(kind="modify", target_command_id=placed, quantity=6)
        events = await room.until_state(large, "REFUSED")
        assert (events[-1].reason.code, events[-1].reason.measured) == ("order_quantity_limit", "6")
        small = await room.send(kind="modify", target_command_id=placed, quantity=2)
        await room.until_state(small, "ACCEPTED")


async def test_days_count_survives_a_restart_and_keeps_its_reserve(room):
    for expected in ("OPEN", "REFUSED"):
        async with room.executor(placements_per_day_max=3, placements_per_day_reserved=2):
            await room.ready()
            command_id = await room.send(**limit_order())
            events = await room.until_state(command_id, "OPEN", "REFUSED")
            assert events[-1].state == expected
    assert (events[-1].reason.code, events[-1].reason.limit) == ("day_limit", "1")


async def test_refused_address_holds_what_follows_until_the_broker_is_asked_again(room):
    async with room.executor(egress_every_s=1.0):
        await room.ready()
        message = "IP (203.0.113.9) is not allowed to place orders for this app."
        await room.fault(kind="http_error", method="POST", path="/orders", message=message)
        first = await room.send(**limit_order())
        events = await room.until_state(first, "REJECTED")
        assert events[-1].reason.code == "broker_egress_blocked"
        check = (await room.probe.readiness()).checks["egress"]
        assert (check.ok, check.reason) == (False, f"EGRESS_BLOCKED: {message}")
        second = await room.send(**limit_order())
        await room.until(second, "received")
        await room.until_state(second, "OPEN")
        await room.ready()


async def test_burst_never_exceeds_the_brokers_second_by_any_clock(room, sandbox):
    await asyncio.to_thread(sandbox.post, "limits", enabled=True)
    since = (await asyncio.to_thread(sandbox.get, "state"))["received"]["sequence"]
    async with room.executor():
        await room.ready()
        sent = [
            await room.send(**limit_order(tradingsymbol="SBIN", price="500")) for _ in range(16)
        ]
        for each in sent:
            await room.until_state(each, "ACCEPTED", "OPEN", "COMPLETE", "REJECTED")
        cancel = await room.send(kind="cancel", target_command_id=sent[-1])
        await room.until_state(cancel, "CANCELLED", "REJECTED", "REFUSED")
    received = await asyncio.to_thread(sandbox.get, "received", since=since)
    asked = [each for each in received["entries"] if each.get("method") in ("POST", "DELETE")]
    orders = [each for each in asked if str(each.get("path", "")).startswith("/orders")]
    assert {each["status"] for each in orders} <= {200, 400}
    times = sorted(int(each["time_ns"]) for each in orders)
    assert len(times) >= 16
    assert all(tenth - first > 10**9 for first, tenth in zip(times, times[9:], strict=False))


@pytest.mark.parametrize(
    ("behaviour", "quantities", "code"),
    [
        ({"duplicate_window_s": 60.0}, [1] * 6, "duplicate_in_flight"),
        ({"day_quantity_max": 7}, [4, 5, 6, 7, 4, 5], "day_quantity_limit"),
        ({"runaway_orders_max": 1}, [1, 2, 3, 4, 5, 6], "runaway_orders"),
    ],
    ids=["alike", "the day's quantity", "runaway"],
)
async def test_placements_on_their_way_together_are_judged_one_after_another(
    room, behaviour, quantities, code
):
    async with room.executor(sends_max=8, **behaviour):
        await room.ready()
        async with room.redis.pipeline(transaction=False) as pipeline:
            placed = []
            for quantity in quantities:
                command = limit_order(quantity=quantity, command_id=uuid.uuid4().hex)
                placed.append(command["command_id"])
                pipeline.xadd(COMMANDS.name(room.account), {b"json": msgspec.json.encode(command)})
            await pipeline.execute()
        ends = [await room.until_state(each, "OPEN", "REFUSED") for each in placed]
    went = [told[-1].state for told in ends].count("OPEN")
    reasons = {told[-1].reason.code for told in ends if told[-1].state == "REFUSED"}
    assert went == 1, [told[-1].state for told in ends]
    assert reasons <= {code, "trading_reducing"}
    assert code in reasons


async def test_order_that_nobody_here_placed_counts_to_the_days_limits(room):
    await room.place_elsewhere(quantity=6)
    async with room.executor(day_quantity_max=10, placements_per_day_max=102):
        await room.ready()
        assert await refused(room, quantity=5) == "day_quantity_limit"
        placed = await room.send(**limit_order(quantity=4))
        await room.until_state(placed, "OPEN")
        assert await refused(room, quantity=1) == "day_limit"


async def test_what_a_modify_adds_counts_to_the_days_limits_over_a_restart(room):
    async with room.executor(day_quantity_max=10):
        await room.ready()
        placed = await room.send(**limit_order(quantity=2))
        await room.until_state(placed, "OPEN")
        larger = await room.send(kind="modify", target_command_id=placed, quantity=8)
        await room.until_state(larger, "ACCEPTED")
        assert await refused(room, quantity=3) == "day_quantity_limit"

        async def is_seen():
            (row,) = await room.book()
            events = await room.events(placed)
            return row["quantity"] == events[-1].quantity == 8

        await eventually(is_seen)
    async with room.executor(day_quantity_max=10):
        await room.ready()
        assert await refused(room, quantity=3) == "day_quantity_limit"
        second = await room.send(**limit_order(quantity=2))
        await room.until_state(second, "OPEN")


async def test_day_that_has_cost_its_limit_lets_exits_pass_and_nothing_else(room, sandbox):
    async def price(rupees):
        await asyncio.to_thread(sandbox.post, "price", symbol="TCS", price=rupees)

    bought = {"tradingsymbol": "TCS", "product": "MIS", "quantity": 10}
    await price(3000)
    async with room.executor(day_loss_max=1000, positions_s=0.2):
        await room.ready()
        entry = await room.send(**limit_order(**bought, price="3010"))
        await room.until_state(entry, "COMPLETE")
        await price(2890)

        async def is_held_back():
            refused_id = await room.send(**limit_order())
            return (await room.until_state(refused_id, "OPEN", "REFUSED"))[-1].reason

        reason = await eventually(is_held_back)
        assert reason.code == "day_loss_limit"
        assert int(float(reason.measured)) >= 1000
        leaving = {**bought, "transaction_type": "SELL", "price": "2800"}
        out = await room.send(**limit_order(**leaving))
        await room.until_state(out, "COMPLETE")
        await price(3000)


async def test_trigger_worth_more_than_one_order_may_be_is_not_left_at_the_broker(room):
    order = {"transaction_type": "SELL", "quantity": 10, "product": "CNC", "price": "1400"}
    trigger = {
        "kind": "gtt_place",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "trigger_type": "single",
        "trigger_values": ["1400"],
        "last_price": "1500",
    }
    async with room.executor(order_notional_max=13_000):
        await room.ready()
        command_id = await room.send(**trigger, orders=[order])
        events = await room.until_state(command_id, "REFUSED")
        reason = events[-1].reason
        assert (reason.code, reason.field) == ("order_notional_limit", "orders[0].quantity")
        command_id = await room.send(**trigger, orders=[{**order, "quantity": 9}])
        await room.until_state(command_id, "ACCEPTED")
