"""Ways an order can go wrong that no other page of tests is about; see docs/failure-modes.md."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import msgspec
import pytest

from executor.rules.tag import tag_of
from shared.clock import SystemClock
from shared.store.pool import open_pool
from shared.store.trading import TradingSwitch, set_trading
from shared.wire.orders import State
from tests.chaos.rig import Rig, running_broker
from tests.integration.executor.conftest import LAST_PRICE, Room, limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def soon_us(seconds):
    return SystemClock().now_ns() // 1000 + round(seconds * 1e6)


async def test_open_circuit_lets_what_waits_expire_and_cancels_go_out(room):
    async with room.executor(breaker_failures_max=1, breaker_open_s=60):
        await room.ready()
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="http_5xx", method="POST", path="/orders")
        lost = await room.send(**limit_order(transaction_type="SELL", price=str(LAST_PRICE + 50)))
        await room.until_state(lost, "UNKNOWN", "MANUAL")
        waiting = [await room.send(**limit_order(valid_until_us=soon_us(1.0))) for _ in range(20)]
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until_state(cancel, "CANCELLED")
        for command_id in waiting:
            await room.until_state(command_id, "EXPIRED", within_s=10)
        assert not (await room.probe.readiness()).checks["broker"].ok
    for command_id in waiting:
        assert await room.book(tag_of(room.account, command_id)) == []


async def test_market_order_that_does_not_fill_is_told_and_not_chased(room):
    async with room.executor(market_unfilled_s=0.3):
        await room.ready()
        await room.fault(kind="stuck_in_validation", seconds=60)
        market = {"order_type": "MARKET", "price": None, "market_protection": -1}
        command_id = await room.send(**limit_order(**market))

        async def told():
            names = [each.event for each in await room.events(command_id)]
            return names.count("market_unfilled_after") == 1

        await eventually(told, within_s=20)
    assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_kill_switch_in_a_burst_stops_all_that_was_not_being_sent(room):
    # Faster than any account may send: what is refused takes a turn as well.
    async with room.executor(orders_per_second_max=20):
        await room.ready()
        sent = [await room.send(**limit_order()) for _ in range(40)]
        await room.until_state(sent[3], "ACCEPTED", "OPEN", within_s=10)
        halt = TradingSwitch(
            scope="global", subject="", state="HALTED", set_by="test", changed_us=1
        )
        async with open_pool(room.settings.postgres) as pool:
            await set_trading(pool, halt)
            async with pool.connection() as connection:
                begun = await connection.fetchval(
                    "SELECT count(*) FROM order_commands WHERE sending_us IS NOT NULL"
                )
        ends = [(await room.until_state(each, "OPEN", "REFUSED", within_s=15))[-1] for each in sent]
    refused = [each for each in ends if each.state is State.REFUSED]
    assert refused, "the switch came too late for all of them"
    assert {each.reason.code for each in refused} == {"trading_halted"}
    assert len(sent) - len(refused) <= begun
    tags = {row["tag"] for row in await room.book()}
    assert not tags & {tag_of(room.account, each.command_id) for each in refused}


async def test_cancel_behind_sixty_queued_placements_goes_out_at_once(room, sandbox):
    async with room.executor():
        await room.ready()
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        since = (await asyncio.to_thread(sandbox.get, "state"))["received"]["sequence"]
        until_us = soon_us(3.0)
        bodies = [limit_order(tradingsymbol="SBIN", price="500") for _ in range(60)]
        queued = [await room.send(**body, valid_until_us=until_us) for body in bodies]
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until_state(cancel, "CANCELLED", within_s=30)
        await room.until_state(queued[-1], "EXPIRED", "OPEN", "COMPLETE", within_s=30)
    received = await asyncio.to_thread(sandbox.get, "received", since=since)
    methods = [
        each["method"]
        for each in received["entries"]
        if str(each.get("path", "")).startswith("/orders/") and each["method"] != "GET"
    ]
    # What left before it had left before it came: a second or two of placements, not sixty.
    assert methods.index("DELETE") <= 18


async def test_cancel_of_unknown_outcome_that_worked_is_not_issued_again(room):
    async with room.executor():
        await room.ready()
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        (row,) = await room.book(tag_of(room.account, placed))
        await room.fault(kind="accept_then_500", method="DELETE", path="/orders")
        cancel = await room.send(kind="cancel", target_command_id=placed)
        events = await room.until_state(cancel, "CANCELLED")
        assert [each.event for each in events].count("sending") == 1
    received = await asyncio.to_thread(room.sandbox.get, "received", since=0)
    path = f"/orders/regular/{row['order_id']}"
    deletes = [
        each
        for each in received["entries"]
        if each.get("method") == "DELETE" and each.get("path") == path
    ]
    assert len(deletes) == 1


def test_stuck_cancel_is_neither_issued_again_nor_forgotten():
    from executor.lookup.reconcile import LIMBO_AFTER_US, _is_in_limbo, _is_to_reissue
    from tests.unit.executor.builders import NOW_US, a_cancel, a_row, an_order

    unknown = a_row(a_cancel(), state=State.UNKNOWN, changed_us=NOW_US)
    pending, living = an_order(status="CANCEL PENDING"), an_order(status="OPEN")
    assert not _is_to_reissue(unknown, pending, NOW_US + 1)
    assert _is_to_reissue(unknown, living, NOW_US + 1)
    taken = msgspec.structs.replace(unknown, state=State.ACCEPTED)
    assert not _is_in_limbo(taken, NOW_US + LIMBO_AFTER_US)
    assert _is_in_limbo(taken, NOW_US + LIMBO_AFTER_US + 1)


async def test_account_whose_broker_hangs_delays_no_other(
    orders_redis, ticks_redis, postgres, executor_database
):
    database = executor_database.reveal().split("@/")[1].split("?")[0]
    rig = Rig(Path())
    await rig.borrow(orders=orders_redis, ticks=ticks_redis, postgres=postgres, database=database)
    generation = int(uuid.uuid4().hex[:4], 16)
    try:
        async with running_broker(7, generation) as broker:
            hung, well = [
                Room(rig.settings(broker, broker.free.pop()), rig.redis, broker.info)
                for _ in range(2)
            ]
            hung_id = hung.settings.account.id.partition("G")[0]
            await hung.fault(kind="slow", account=hung_id, path="/orders", seconds=5, count=None)
            async with hung.executor(), well.executor():
                first = await hung.send(**limit_order())
                await well.until_state(await well.send(**limit_order()), "OPEN", within_s=15)
                states = {each.state for each in await hung.events(first)}
                assert not states & {"ACCEPTED", "OPEN"}, "it was to hang"
                await broker.ask("DELETE", "faults")
    finally:
        await rig.stop()
