"""Baskets and exits: commands carried out by commands."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from executor.crash import CrashPoint
from executor.rules.tag import tag_of
from shared.wire.orders import State
from tests.integration.executor.conftest import LAST_PRICE, CrashNow, limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def leg(**facts):
    order = limit_order(**facts)
    return {name: value for name, value in order.items() if name != "kind"}


def basket(policy, *legs, **facts):
    return {"kind": "basket", "policy": policy, "legs": list(legs), **facts}


def crossing(**facts):
    return leg(price=str(LAST_PRICE + 5), **facts)


async def orders_of(room, command_id, legs):
    found = [await room.book(tag_of(room.account, f"{command_id}.{n + 1}")) for n in range(legs)]
    return [len(rows) for rows in found]


async def test_independent_legs_each_meet_their_own_fate(room):
    async with room.executor():
        command_id = await room.send(
            **basket("independent", crossing(), leg(tradingsymbol="NOSUCHTHING"), crossing())
        )
        events = await room.until_state(command_id, "PARTIALLY_ACCEPTED")
        assert [each.event for each in events] == ["received", "accepted", "updated"]
        assert events[-1].reason.measured == f"{command_id}.2"
        states = [(await room.events(f"{command_id}.{n}"))[-1].state for n in (1, 2, 3)]
        assert states == [State.COMPLETE, State.REJECTED, State.COMPLETE]
        (first,) = (await room.events(f"{command_id}.1"))[:1]
        assert first.parent_command_id == command_id


async def test_failed_leg_cancels_the_living_rest_where_the_policy_says_so(room):
    async with room.executor():
        command_id = await room.send(
            **basket("all_or_cancel_rest", leg(), leg(price="1440"), leg(tradingsymbol="NOSUCH"))
        )
        await room.until_state(command_id, "CANCELLED")
        for number in (1, 2):
            await room.until_state(f"{command_id}.{number}", "CANCELLED")
            rows = await room.book(tag_of(room.account, f"{command_id}.{number}"))
            assert "OPEN" not in [row["status"] for row in rows]


async def test_sequential_leg_leaves_when_the_one_before_it_is_complete(room):
    async with room.executor():
        command_id = await room.send(**basket("sequential", leg(), crossing(quantity=2)))
        await room.until_state(f"{command_id}.1", "OPEN")
        assert await orders_of(room, command_id, 2) == [1, 0]
        await asyncio.to_thread(room.sandbox.post, "price", symbol="INFY", price=LAST_PRICE - 60)
        await room.until_state(command_id, "COMPLETE")
        assert await orders_of(room, command_id, 2) == [1, 1]


async def test_legs_after_a_failed_one_are_not_sent_where_they_go_one_after_the_other(room):
    async with room.executor():
        command_id = await room.send(
            **basket("sequential", leg(tradingsymbol="NOSUCHTHING"), crossing(), crossing())
        )
        await room.until_state(command_id, "CANCELLED", "REJECTED")
        events = await room.until(f"{command_id}.2", "received", "ended_unsent")
        assert events[-1].reason.code == "leg_failed"
        assert await orders_of(room, command_id, 3) == [0, 0, 0]


async def test_cancel_of_a_basket_ends_its_living_legs_and_those_that_wait(room):
    async with room.executor():
        command_id = await room.send(**basket("sequential", leg(), crossing()))
        await room.until_state(f"{command_id}.1", "OPEN")
        cancel = await room.send(kind="cancel", target_command_id=command_id)
        await room.until_state(cancel, "CANCELLED")
        await room.until_state(command_id, "CANCELLED")
        assert await orders_of(room, command_id, 2) == [1, 0]


@pytest.mark.parametrize(
    "point",
    [
        CrashPoint.BEFORE_ACKNOWLEDGE,
        CrashPoint.BEFORE_SENDING,
        CrashPoint.AFTER_WIRE,
        CrashPoint.AFTER_OUTCOME,
    ],
)
@pytest.mark.parametrize("after", [1, 2])
async def test_basket_survives_a_crash_at_any_of_its_legs_with_one_order_each(room, point, after):
    passed: list[CrashPoint] = []

    def crash(here):
        if here is point:
            passed.append(here)
            if len(passed) == (1 if point is CrashPoint.BEFORE_ACKNOWLEDGE else after):
                raise CrashNow(point)

    command_id = uuid.uuid4().hex
    async with room.executor(crash_point=crash) as task:
        await room.send(
            **basket("sequential", crossing(), crossing(quantity=2), command_id=command_id)
        )
        await eventually(task.done)
    async with room.executor():
        await room.until_state(command_id, "COMPLETE", within_s=15)
    assert await orders_of(room, command_id, 2) == [1, 1]


async def test_same_basket_again_places_nothing_more(room):
    command = basket("independent", crossing(), crossing(quantity=2), command_id=uuid.uuid4().hex)
    async with room.executor():
        await room.send(**command)
        await room.until_state(command["command_id"], "COMPLETE")
        await room.send(**command)

        async def replayed():
            return "replayed" in [each.event for each in await room.events(command["command_id"])]

        await eventually(replayed)
    assert await orders_of(room, command["command_id"], 2) == [1, 1]


async def test_exit_closes_the_position_once_it_is_known(room):
    async with room.executor(positions_s=0.2):
        await room.ready()
        bought = await room.send(**crossing(quantity=3), kind="place")
        await room.until_state(bought, "COMPLETE")

        async def leaves():
            command_id = await room.send(
                kind="exit", exchange="NSE", tradingsymbol="INFY", product="CNC", quantity=3
            )
            events = await room.until_state(command_id, "COMPLETE", "REFUSED")
            assert events[-1].state is State.COMPLETE, events[-1].reason
            return command_id

        command_id = await eventually(leaves)
        (row,) = await room.book(tag_of(room.account, f"{command_id}.exit"))
        assert (row["transaction_type"], row["quantity"]) == ("SELL", 3)


async def test_exit_of_an_unknown_or_absent_position_is_refused(room):
    async with room.executor():
        await room.ready()
        command_id = await room.send(
            kind="exit", exchange="NSE", tradingsymbol="TCS", product="MIS"
        )
        events = await room.until_state(command_id, "REFUSED")
        assert events[-1].reason.code in ("position_unknown", "no_position")


async def test_cancel_of_an_iceberg_by_its_command_id_cancels_the_living_leg(room):
    command = limit_order(variety="iceberg", quantity=4, iceberg_legs=2, iceberg_quantity=2)
    async with room.executor():
        placed = await room.send(**command)
        await room.until_state(placed, "OPEN")
        cancel = await room.send(kind="cancel", target_command_id=placed, variety="iceberg")
        await room.until_state(cancel, "CANCELLED")
        await room.until_state(placed, "CANCELLED")
