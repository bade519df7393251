"""Trades and positions in the journal, and what trading in REDUCING lets through by them."""

from __future__ import annotations

import asyncio

import pytest

from executor.rules.tag import tag_of
from shared.clock import SystemClock
from shared.store.pool import open_pool
from shared.store.trading import TradingSwitch, set_trading
from tests.integration.executor.conftest import LAST_PRICE, limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

SYMBOL = "RELIANCE"


@pytest.fixture
def sandbox(quiet_sandbox):
    return quiet_sandbox


async def rows(room, query):
    async with open_pool(room.settings.postgres) as pool, pool.connection() as connection:
        return [dict(row) for row in await connection.fetch(query, room.account)]


async def traded(room, command_id):
    order_id = (await room.events(command_id))[-1].order_id
    found = await rows(room, "SELECT * FROM broker_trades WHERE account = $1")
    return [row for row in found if row["order_id"] == order_id]


async def position(room, product):
    found = await rows(room, "SELECT * FROM broker_positions WHERE account = $1")
    return {row["product"]: row["quantity"] for row in found if row["tradingsymbol"] == SYMBOL}.get(
        product, 0
    )


async def looks(room):
    """Return when the newest reading of positions that was committed began."""
    found = await rows(room, "SELECT looked_us FROM position_looks WHERE account = $1")
    return [row["looked_us"] for row in found]


async def two_more_readings(room):
    for _ in range(2):
        before = await looks(room)

        async def is_later(before=before):
            return await looks(room) > before

        await eventually(is_later)


async def switch(room, state):
    wish = TradingSwitch(
        scope="account", subject=room.account, state=state, set_by="test", changed_us=1
    )
    async with open_pool(room.settings.postgres) as pool:
        await set_trading(pool, wish)


def crossing(side, quantity=1, **facts):
    """Return a placement that trades at once."""
    price = LAST_PRICE + (50 if side == "BUY" else -50)
    return limit_order(
        tradingsymbol=SYMBOL, transaction_type=side, quantity=quantity, price=str(price), **facts
    )


@pytest.fixture
async def market(sandbox):
    await asyncio.to_thread(sandbox.post, "price", symbol=SYMBOL, price=LAST_PRICE)


async def test_fills_and_positions_reach_the_journal_once_however_often_they_are_read(room, market):
    async with room.executor(positions_s=0.3):
        await room.ready()
        before = await position(room, "CNC")
        bought = await room.send(**crossing("BUY", 3, product="CNC"))
        await room.until_state(bought, "COMPLETE")

        async def synced():
            assert await position(room, "CNC") == before + 3
            return await traded(room, bought)

        (trade,) = await eventually(synced)
        assert (trade["quantity"], trade["transaction_type"]) == (3, "BUY")
        await two_more_readings(room)
    async with room.executor():
        await room.ready()
        assert len(await traded(room, bought)) == 1


async def test_reducing_lets_pass_what_reduces_counting_exits_in_flight(room, market):
    async with room.executor(positions_s=0.2):
        before = await position(room, "MIS")
        bought = await room.send(**crossing("BUY", 5, product="MIS"))
        await room.until_state(bought, "COMPLETE")
        await eventually(lambda: _is(room, before + 5))
        assert before == 0, "another test left a position behind"
        await switch(room, "REDUCING")
        resting = {"product": "MIS", "tradingsymbol": SYMBOL, "price": str(LAST_PRICE + 50)}
        first = await room.send(**limit_order(**resting, transaction_type="SELL", quantity=3))
        await room.until_state(first, "OPEN")
        over = await room.send(**limit_order(**resting, transaction_type="SELL", quantity=3))
        events = await room.until_state(over, "REFUSED")
        assert (events[-1].reason.code, events[-1].reason.limit) == (
            "trading_reducing",
            "at most 2",
        )
        entry = await room.send(**crossing("BUY", 1, product="MIS"))
        assert (await room.until_state(entry, "REFUSED"))[-1].reason.code == "trading_reducing"
        larger = await room.send(kind="modify", target_command_id=first, quantity=6)
        assert (await room.until_state(larger, "REFUSED"))[-1].reason.code == "trading_reducing"
        rest = await room.send(**crossing("SELL", 2, product="MIS"))
        await room.until_state(rest, "COMPLETE")
        readier = await room.send(
            kind="modify", target_command_id=first, price=str(LAST_PRICE - 20)
        )
        await room.until_state(readier, "ACCEPTED")
        await room.until_state(first, "COMPLETE")
        await eventually(lambda: _is(room, 0))


async def _is(room, quantity):
    return await position(room, "MIS") == quantity


async def test_reducing_lets_holdings_be_sold_and_counts_what_is_on_its_way(room, market):
    held = {"product": "CNC", "transaction_type": "SELL", "price": str(LAST_PRICE + 50)}
    async with room.executor(positions_s=0.2):
        await room.ready()
        await eventually(lambda: _holds(room))
        (holding,) = await _holds(room)
        before = holding["quantity"]
        await switch(room, "REDUCING")
        too_much = limit_order(**held, tradingsymbol=SYMBOL, quantity=before + 1)
        events = await room.until_state(await room.send(**too_much), "REFUSED")
        assert events[-1].reason.limit == f"at most {before}"
        most = await room.send(**limit_order(**held, tradingsymbol=SYMBOL, quantity=before - 1))
        await room.until_state(most, "OPEN")
        more = limit_order(**held, tradingsymbol=SYMBOL, quantity=2)
        events = await room.until_state(await room.send(**more), "REFUSED")
        assert events[-1].reason.limit == "at most 1"
        leave = {"kind": "exit", "exchange": "NSE", "tradingsymbol": SYMBOL, "product": "CNC"}
        out = await room.send(**leave)
        assert (await room.until_state(out, "REFUSED"))[-1].reason.code == "no_position"


async def _holds(room):
    found = await rows(room, "SELECT * FROM broker_holdings WHERE account = $1")
    return [row for row in found if row["tradingsymbol"] == SYMBOL]


async def test_reducing_refuses_everything_while_positions_are_not_known(room, market):
    async with room.executor(positions_s=0.05, positions_age_s_max=0.1):
        await room.ready()
        await room.fault(kind="http_5xx", method="GET", path="/portfolio/positions", count=None)

        async def is_outdated():
            (looked_us,) = await looks(room)
            return SystemClock().now_ns() // 1000 - looked_us > 100_000

        await eventually(is_outdated)
        await switch(room, "REDUCING")
        exit_ = await room.send(**crossing("SELL", 1, product="MIS"))
        events = await room.until_state(exit_, "REFUSED")
        assert (events[-1].reason.code, events[-1].reason.measured) == (
            "trading_reducing",
            "unknown",
        )
    assert await room.book(tag_of(room.account, exit_)) == []
