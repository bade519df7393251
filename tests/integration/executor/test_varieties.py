"""Orders that the broker cuts up, or that have rules of their own, from command to book."""

from __future__ import annotations

import asyncio
import csv
import io
import uuid
from urllib.request import urlopen

import pytest

from executor.rules.tag import tag_of
from shared.wire.orders import State
from tests.integration.executor.conftest import LAST_PRICE, limit_order, updates_brought

pytestmark = pytest.mark.integration

LOT, SLICE = 65, 1755


@pytest.fixture(scope="module")
def future(sandbox_running):
    """Return the nearest NIFTY future's symbol, with a price far below the market."""
    with urlopen(f"{sandbox_running.rest_url}/instruments/NFO", timeout=10) as response:
        rows = list(csv.DictReader(io.TextIOWrapper(response)))
    found = [row for row in rows if row["name"] == "NIFTY" and row["instrument_type"] == "FUT"]
    spot = sandbox_running.get("state")["spots"]["NIFTY"]
    return min(found, key=lambda row: row["expiry"])["tradingsymbol"], round(spot * 0.95)


def sliced(future, **facts):
    symbol, price = future
    return limit_order(
        **{
            "exchange": "NFO",
            "tradingsymbol": symbol,
            "product": "NRML",
            "quantity": 3 * SLICE,
            "price": str(price),
            "autoslice": True,
            **facts,
        }
    )


async def slices_of(room, command_id):
    """Return the book's rows of a placement, all slices of it."""
    rows = await room.book()
    tag = tag_of(room.account, command_id)
    return [row for row in rows if tag in [row["tag"], *row.get("tags", [])]]


@pytest.fixture
async def unlimited(room):
    """Return the settings with which an order of this size may leave."""
    return {"order_notional_max": 0, "day_turnover_max": 0}


async def test_sliced_placement_is_open_when_all_its_slices_are(room, future, unlimited):
    async with room.executor(**unlimited):
        command_id = await room.send(**sliced(future))
        events = await room.until_state(command_id, "OPEN")
        rows = await slices_of(room, command_id)
        assert [row["quantity"] for row in rows] == [SLICE] * 3
        assert (events[-1].quantity, events[-1].accepted_quantity) == (3 * SLICE, 3 * SLICE)
        for row in rows:
            cancel = await room.send(kind="cancel", order_id=row["order_id"])
            await room.until_state(cancel, "CANCELLED")
        events = await room.until_state(command_id, "CANCELLED")
        assert events[-1].cancelled_quantity == 3 * SLICE


async def test_basket_is_not_undone_for_slices_that_were_taken_and_are_merely_not_seen_yet(
    room, future, unlimited
):
    placed = {name: value for name, value in sliced(future).items() if name != "kind"}
    async with room.executor(**unlimited):
        await room.ready()
        await room.fault(kind="drop_updates", count=2)
        command_id = await room.send(kind="basket", policy="all_or_cancel_rest", legs=[placed])
        events = await room.until_state(f"{command_id}.1", "OPEN")
        while events[-1].accepted_quantity < 3 * SLICE:
            await asyncio.sleep(0.05)
            events = await room.events(f"{command_id}.1")
        assert State.PARTIALLY_ACCEPTED not in [each.state for each in events]
        assert {each.order_id for each in events if each.order_id} == {events[-1].order_id}
        assert not await room.events(f"{command_id}.cancel1")
    assert {row["status"] for row in await slices_of(room, f"{command_id}.1")} == {"OPEN"}


async def test_refused_slice_told_after_the_others_were_seen_makes_it_partially_accepted(
    room, future, unlimited
):
    async with updates_brought(room), room.executor(**unlimited):
        await room.ready()
        await room.fault(kind="autoslice_child_error")
        await room.fault(kind="slow", method="POST", path="/orders", seconds=1.0)
        command_id = await room.send(**sliced(future, on_partial="cancel_rest"))
        await room.until_state(command_id, "OPEN")
        events = await room.until_state(command_id, "PARTIALLY_ACCEPTED")
        assert (events[-1].reason.code, events[-1].reason.measured) == ("slices_refused", "1")
        await room.until_state(command_id, "CANCELLED")
    assert {row["status"] for row in await slices_of(room, command_id)} == {"CANCELLED"}


async def test_sliced_placement_with_a_refused_slice_is_partially_accepted(room, future, unlimited):
    async with room.executor(**unlimited):
        await room.ready()
        await room.fault(kind="autoslice_child_error")
        command_id = await room.send(**sliced(future))
        events = await room.until(command_id, "received", "sending", "partially_accepted")
        assert (events[-1].state, events[-1].reason.code) == (
            State.PARTIALLY_ACCEPTED,
            "slices_refused",
        )
        events = await room.until_state(command_id, "PARTIALLY_ACCEPTED")
        seen = await room.until(command_id, *[each.event for each in events])
        assert seen[-1].accepted_quantity == 2 * SLICE
        rows = await slices_of(room, command_id)
        assert len(rows) == 2
        for row in rows:
            await room.send(kind="cancel", order_id=row["order_id"])
        events = await room.until_state(command_id, "CANCELLED")
        assert [each.event for each in events].count("sending") == 1


async def test_policy_cancel_rest_cancels_the_slices_that_were_taken(room, future, unlimited):
    async with room.executor(**unlimited):
        await room.ready()
        await room.fault(kind="autoslice_child_error")
        command_id = await room.send(**sliced(future, on_partial="cancel_rest"))
        await room.until_state(command_id, "CANCELLED")
        for number in (1, 2):
            events = await room.until_state(f"{command_id}.cancel{number}", "CANCELLED")
            assert events[-1].parent_command_id == command_id
    assert {row["status"] for row in await slices_of(room, command_id)} == {"CANCELLED"}


async def test_policy_alert_tells_an_alert_and_leaves_the_slices(room, future, unlimited):
    async with room.executor(**unlimited):
        await room.ready()
        await room.fault(kind="autoslice_child_error")
        command_id = await room.send(**sliced(future, on_partial="alert"))
        await room.until_state(command_id, "PARTIALLY_ACCEPTED")
        assert "alert" in [each.event for each in await room.events(command_id)]
    assert {row["status"] for row in await slices_of(room, command_id)} == {"OPEN"}


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_500"])
async def test_sliced_placement_of_unknown_outcome_is_put_together_from_the_book(
    room, future, unlimited, kind
):
    async with room.executor(**unlimited):
        await room.ready()
        await room.fault(kind=kind)
        command_id = await room.send(**sliced(future))
        await room.until(command_id, "received", "sending", "unknown", "accepted")
        events = await room.until_state(command_id, "OPEN")
        assert events[-1].accepted_quantity == 3 * SLICE
    assert len(await slices_of(room, command_id)) == 3


async def test_iceberg_is_complete_when_its_last_leg_is(room):
    command = limit_order(variety="iceberg", quantity=5, iceberg_legs=3, iceberg_quantity=2)
    async with room.executor():
        command_id = await room.send(**command)
        await room.until_state(command_id, "OPEN")
        await asyncio.to_thread(room.sandbox.post, "price", symbol="INFY", price=LAST_PRICE - 60)
        events = await room.until_state(command_id, "COMPLETE")
        assert events[-1].filled_quantity == 5
        assert "COMPLETE" not in [each.state for each in events if each.filled_quantity < 5]
    assert [row["quantity"] for row in await slices_of(room, command_id)] == [2, 2, 1]


async def test_after_market_order_is_accepted_and_opens_when_it_is_released(room):
    async with room.executor():
        command_id = await room.send(**limit_order(variety="amo"))
        events = await room.until(command_id, "received", "sending", "accepted", "updated")
        assert (events[-1].state, events[-1].broker_status) == ("ACCEPTED", "AMO REQ RECEIVED")
        await asyncio.to_thread(room.sandbox.post, "amo")
        await room.until_state(command_id, "OPEN")


async def test_cover_order_is_followed_and_its_second_leg_can_be_closed(room):
    stop = {"product": "MIS", "trigger_price": str(LAST_PRICE - 90)}
    async with room.executor():
        command_id = await room.send(**limit_order(variety="co", **stop))
        await room.until_state(command_id, "OPEN")
        await asyncio.to_thread(room.sandbox.post, "price", symbol="INFY", price=LAST_PRICE - 60)
        (done,) = (await room.until_state(command_id, "COMPLETE"))[-1:]
        (stop_row,) = [row for row in await room.book() if row["parent_order_id"] == done.order_id]
        cancel = await room.send(kind="cancel", order_id=stop_row["order_id"], variety="co")
        await room.until(cancel, "received", "sending", "accepted")


async def test_auction_order_carries_its_number_to_the_broker(room):
    async with room.executor():
        command_id = await room.send(**limit_order(variety="auction", auction_number="22"))
        events = await room.until_state(command_id, "OPEN")
        (row,) = await room.book(events[-1].tag)
        assert row["auction_number"] == "22"


async def test_thirty_quick_modifies_are_few_calls_and_the_last_price_holds(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        since = (await asyncio.to_thread(room.sandbox.get, "received"))["sequence"]
        modifies = [uuid.uuid4().hex for _ in range(30)]
        for number, command_id in enumerate(modifies):
            await room.send(
                kind="modify",
                command_id=command_id,
                target_command_id=placed,
                price=str(LAST_PRICE - 50 + number / 2),
            )
        await room.until_state(modifies[-1], "ACCEPTED")
        received = await asyncio.to_thread(room.sandbox.get, "received", since=since)
        calls = [each for each in received["entries"] if each.get("method") == "PUT"]
        assert 1 <= len(calls) <= 24
        (row,) = await room.book(tag_of(room.account, placed))
        assert row["price"] == LAST_PRICE - 50 + 29 / 2
        ended = [(await room.events(each))[-1] for each in modifies[:-1]]
        reasons = {each.reason.code for each in ended if each.state is State.CANCELLED}
        assert reasons <= {"superseded"}
        assert {each.state for each in ended} <= {State.CANCELLED, State.ACCEPTED}
