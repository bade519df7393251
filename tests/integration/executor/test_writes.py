"""Writes that are no orders, and switches, from command to broker and back."""

from __future__ import annotations

import asyncio
import json
from urllib.request import Request, urlopen

import msgspec
import pytest
from redis.asyncio import Redis

from shared.clock import SystemClock
from shared.store.journal_hand import Resolution, resolve
from shared.store.pool import open_pool
from shared.wire.control import Control
from shared.wire.orders import State
from shared.wire.topics import CONTROL
from tests.integration.executor.conftest import LAST_PRICE, limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration
#: What a position of the day becomes, but for how much of it.
CONVERSION = {
    "kind": "convert",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "position_type": "day",
    "old_product": "MIS",
    "new_product": "CNC",
}


def gtt(**facts):
    order = {"transaction_type": "SELL", "quantity": 1, "product": "CNC", "price": "1399"}
    return {
        "kind": "gtt_place",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "trigger_type": "single",
        "trigger_values": ["1400"],
        "last_price": str(LAST_PRICE),
        "orders": [order],
        **facts,
    }


async def triggers(room):
    account = room.sandbox.account
    headers = {"Authorization": f"token {account.api_key}:{account.access_token}"}
    request = Request(f"{room.sandbox.rest_url}/gtt/triggers", headers=headers)

    def read():
        with urlopen(request, timeout=10) as response:
            return json.load(response)["data"]

    return {row["id"]: row for row in await asyncio.to_thread(read)}


async def test_trigger_is_placed_modified_and_deleted(room):
    async with room.executor():
        placed = await room.send(**gtt())
        events = await room.until(placed, "received", "sending", "accepted")
        trigger_id = int(events[-1].order_id)
        change = gtt(kind="gtt_modify", trigger_id=trigger_id, trigger_values=["1390"])
        await room.until_state(await room.send(**change), "ACCEPTED")
        assert (await triggers(room))[trigger_id]["condition"]["trigger_values"] == [1390.0]
        await room.until_state(
            await room.send(kind="gtt_delete", trigger_id=trigger_id), "ACCEPTED"
        )
        assert (await triggers(room))[trigger_id]["status"] == "deleted"


async def test_trigger_fires_an_order_that_is_kept_as_nobody_heres(room):
    leg = {"transaction_type": "BUY", "quantity": 1, "product": "CNC", "price": "1460"}
    command = gtt(
        trigger_type="two-leg",
        trigger_values=["1440", "1600"],
        orders=[leg, {**leg, "price": "1600"}],
    )
    async with room.executor():
        placed = await room.send(**command)
        events = await room.until_state(placed, "ACCEPTED")
        await asyncio.to_thread(room.sandbox.post, "price", symbol="INFY", price=1430)
        row = (await triggers(room))[int(events[-1].order_id)]
        assert row["status"] == "triggered"
        assert row["orders"][0]["result"]["order_result"]["status"] == "success"


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_500"])
async def test_trigger_of_unknown_outcome_is_found_by_content_and_never_placed_twice(room, kind):
    command = gtt(trigger_values=["1401"] if kind == "accept_then_drop" else ["1402"])
    async with room.executor():
        await room.ready()
        before = await triggers(room)
        await room.fault(kind=kind, method="POST", path="/gtt")
        placed = await room.send(**command)
        events = await room.until(placed, "received", "sending", "unknown", "accepted")
        (new,) = (await triggers(room)).keys() - before.keys()
        assert events[-1].order_id == str(new)


async def test_trigger_that_never_arrived_is_left_to_a_person(room):
    async with room.executor():
        await room.ready()
        before = await triggers(room)
        await room.fault(kind="drop_request", method="POST", path="/gtt")
        placed = await room.send(**gtt(trigger_values=["1403"]))
        events = await room.until(placed, "received", "sending", "unknown", "manual")
        assert events[-1].reason.code == "never_seen"
        assert await triggers(room) == before


async def test_refused_trigger_tells_the_brokers_words(room):
    async with room.executor():
        placed = await room.send(**gtt(tradingsymbol="NOSUCHTHING"))
        events = await room.until(placed, "received", "sending", "rejected")
        assert events[-1].reason.code == "broker_bad_input"


async def test_position_is_converted_to_another_product(room):
    order = limit_order(price=str(LAST_PRICE + 5), quantity=2, product="MIS")
    conversion = {**CONVERSION, "quantity": 2}
    async with room.executor():
        await room.until_state(await room.send(**order), "COMPLETE")
        converted = await room.send(**conversion)
        await room.until(converted, "received", "sending", "accepted")
        again = await room.send(**{**conversion, "quantity": 100_000})
        events = await room.until_state(again, "REJECTED")
        assert events[-1].reason.code == "broker_bad_input"


async def test_conversion_of_unknown_outcome_is_left_to_a_person_who_can_end_it(room):
    order = limit_order(price=str(LAST_PRICE + 5), quantity=1, product="MIS")
    conversion = {**CONVERSION, "quantity": 1}
    # Settle times as shipped: no look can show it, so none is waited for.
    async with room.executor(settle_s=(5.0, 30.0, 180.0)):
        await room.until_state(await room.send(**order), "COMPLETE")
        await room.fault(kind="accept_then_drop", method="PUT", path="/portfolio/positions")
        lost = await room.send(**conversion)
        events = await room.until(lost, "received", "sending", "unknown", "manual")
        assert events[-1].reason.code == "conversion_unproven"
        async with open_pool(room.settings.postgres) as pool:
            said = Resolution(order_id=None, is_accepted=True, by="Ann", reason="seen in Kite")
            at_us = SystemClock().now_ns() // 1000
            await resolve(pool, room.account, lost, said, at_us=at_us)
        events = await room.until_state(lost, "ACCEPTED")
        assert events[-1].reason.measured == "accepted"


async def test_edis_that_is_needed_is_a_refusal_of_its_own_kind(room):
    async with room.executor():
        await room.ready()
        await room.fault(
            kind="http_error",
            method="POST",
            path="/orders",
            status=428,
            error_type="HoldingException",
            message="Please authorise your holdings to sell them.",
        )
        placed = await room.send(**limit_order(transaction_type="SELL", price="1550"))
        events = await room.until(placed, "received", "sending", "rejected")
        assert events[-1].reason.code == "broker_edis_needed"


async def test_mutual_funds_are_refused_without_a_request(room):
    command = {"tradingsymbol": "INF174K01LS2", "transaction_type": "BUY", "amount": "1000"}
    async with room.executor():
        placed = await room.send(kind="mf_place", **command)
        events = await room.until(placed, "received", "refused")
        assert events[-1].reason.code == "switched_off"


async def test_mutual_funds_switched_on_are_placed_changed_and_ended(room):
    fund = {"tradingsymbol": "INF174K01LS2", "amount": "1000"}
    plan = {**fund, "instalments": 12, "frequency": "monthly"}
    async with room.executor(mutual_fund_writes=True):
        placed = await room.send(kind="mf_place", transaction_type="BUY", **fund)
        order_id = (await room.until(placed, "received", "sending", "accepted"))[-1].order_id
        cancelled = await room.send(kind="mf_cancel", order_id=order_id)
        await room.until(cancelled, "received", "sending", "accepted")
        begun = await room.send(kind="sip_place", **plan)
        sip_id = (await room.until(begun, "received", "sending", "accepted"))[-1].order_id
        paused = await room.send(kind="sip_modify", sip_id=sip_id, status="paused")
        await room.until(paused, "received", "sending", "accepted")
        ended = await room.send(kind="sip_cancel", sip_id=sip_id)
        await room.until(ended, "received", "sending", "accepted")
        assert (await broker_rows(room, "/mf/orders"))[order_id]["status"] == "CANCELLED"
        assert (await broker_rows(room, "/mf/sips"))[sip_id]["status"] == "CANCELLED"


@pytest.mark.parametrize(
    ("fault", "amount"), [("accept_then_drop", 1234), ("accept_then_500", 1235)]
)
async def test_fund_order_of_unknown_outcome_is_found_by_its_tag_and_placed_once(
    room, fault, amount
):
    fund = {"tradingsymbol": "INF174K01LS2", "amount": str(amount)}
    async with room.executor(mutual_fund_writes=True):
        await room.ready()
        await room.fault(kind=fault, method="POST", path="/mf/orders")
        placed = await room.send(kind="mf_place", transaction_type="BUY", **fund)
        events = await room.until(placed, "received", "sending", "unknown", "accepted")
        found = await broker_rows(room, "/mf/orders")
        assert [name for name, row in found.items() if row["amount"] == amount] == [
            events[-1].order_id
        ]


async def broker_rows(room, path):
    """Return what the broker lists of funds or plans, by its id."""
    who = room.sandbox.account
    token = f"token {who.api_key}:{who.access_token}"
    request = Request(f"{room.sandbox.rest_url}{path}", headers={"Authorization": token})

    def read():
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]

    rows = await asyncio.to_thread(read)
    return {row.get("sip_id") or row["order_id"]: row for row in rows}


async def test_halt_holds_for_whatever_is_read_after_it_until_somebody_resumes(room):
    async with room.executor():
        halt = await room.send(kind="halt", by="risk desk", sentence="too many fills")
        placed = await room.send(**limit_order())
        await room.until(halt, "received", "accepted")
        events = await room.until(placed, "received", "refused")
        assert events[-1].reason.code == "trading_halted"
        resume = await room.send(kind="resume", by="risk desk")
        await room.until(resume, "received", "accepted")
        await room.until_state(await room.send(**limit_order(price="1449")), "OPEN")


async def test_reduce_lets_pass_what_only_reduces_until_somebody_resumes(room):
    held = {"product": "MTF", "quantity": 2}
    async with room.executor(positions_s=0.2):
        bought = await room.send(**limit_order(price=str(LAST_PRICE + 5), **held))
        await room.until_state(bought, "COMPLETE")
        reduce = await room.send(kind="reduce", by="risk desk", sentence="enough for today")
        await room.until(reduce, "received", "accepted")
        more = await room.send(**limit_order(**held))
        assert (await room.until_state(more, "REFUSED"))[-1].reason.code == "trading_reducing"

        async def sold():
            sale = {**held, "transaction_type": "SELL", "price": str(LAST_PRICE - 5)}
            events = await room.until_state(
                await room.send(**limit_order(**sale)), "COMPLETE", "REFUSED"
            )
            return events[-1].state == "COMPLETE"

        # The position counts once it was read; until then nothing is known to reduce.
        await eventually(sold)
        await room.until_state(await room.send(kind="resume", by="risk desk"), "ACCEPTED")
        await room.until_state(await room.send(**limit_order(**held)), "OPEN")


async def test_switches_are_told_to_whoever_listens_to_control(room, ticks_redis):
    async with Redis.from_url(ticks_redis.url_for("ops").reveal()) as ticks:
        newest = await ticks.xrevrange(CONTROL.name(), count=1)
        after = newest[0][0] if newest else "0"

        async def told():
            entries = await ticks.xrange(CONTROL.name(), min=b"(" + after if newest else "-")
            hints = [msgspec.json.decode(fields[b"json"], type=Control) for _, fields in entries]
            return [each for each in hints if each.kind == "trading_state_changed"]

        async with room.executor(runaway_rejections_max=1):
            for kind in ("halt", "reduce", "resume"):
                await room.until_state(await room.send(kind=kind, by="Ann"), "ACCEPTED")
            wrong = await room.send(**limit_order(strategy_id="mad", tradingsymbol="NOSUCHTHING"))
            await room.until_state(wrong, "REJECTED")
            hints = await eventually(lambda: _at_least(told, 4))
    assert [each.subject for each in hints] == [f"account:{room.account}"] * 3 + ["strategy:mad"]
    assert all(each.by.startswith("Ann (") for each in hints[:3])


async def _at_least(read, count):
    found = await read()
    return found if len(found) >= count else None


async def test_halt_of_one_strategy_leaves_the_others(room):
    async with room.executor():
        await room.until_state(
            await room.send(kind="halt", by="me", scope="strategy", subject="mad"), "ACCEPTED"
        )
        mad = await room.send(**limit_order(strategy_id="mad"))
        await room.until_state(mad, "REFUSED")
        await room.until_state(await room.send(**limit_order(strategy_id="calm")), "OPEN")
        nobody = await room.send(kind="halt", by="me", scope="strategy")
        events = await room.until_state(nobody, "REFUSED")
        assert events[-1].reason.code == "subject_mismatch"
        assert events[-1].state is State.REFUSED


async def test_market_order_that_rests_is_cancelled_where_settings_say_so(room):
    # More than the sandbox's book holds within so narrow a band.
    order = {"order_type": "MARKET", "price": None, "market_protection": 0.01, "quantity": 90_000}
    limits = {"order_notional_max": 0, "day_turnover_max": 0}
    async with room.executor(market_unfilled_s=0.3, market_unfilled_cancel=True, **limits):
        await room.ready()
        command_id = await room.send(**limit_order(**order))
        events = await room.until_state(command_id, "CANCELLED", within_s=15)
        await room.until_state(f"{command_id}.unfilled", "CANCELLED")
        assert events[-1].cancelled_quantity > 0
