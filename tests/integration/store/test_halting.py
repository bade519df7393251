from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from shared.clock import SystemClock
from shared.store.halting import wait_for_outrun
from shared.store.rows import NewCommand
from shared.store.trading import TradingSwitch, set_trading
from shared.wire.orders import State
from tests.integration.store.conftest import ACCOUNT
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

HALT = TradingSwitch(scope="account", subject=ACCOUNT, state="HALTED", set_by="test", changed_us=1)


def new(command_id, **facts):
    return NewCommand(
        **{
            "command_id": command_id,
            "kind": "place",
            "fingerprint": b"f",
            "encoding": "json",
            "payload": b"{}",
            "priority": 1,
            **facts,
        }
    )


class Watched:
    """The pool, counting who asks: a wait that has asked again has found something in its way."""

    def __init__(self, pool):
        self._pool = pool
        self._asked = 0

    def connection(self):
        self._asked += 1
        return self._pool.connection()

    async def asked_again(self):
        enough = self._asked + 2
        await eventually(lambda: self._asked >= enough)


async def moved(journal, was, state, *commands):
    """Claim commands where they are new, and bring them into a state."""
    async with journal.change(at_us=5) as change:
        await change.claim(commands)
        rows = await change.commands([each.command_id for each in commands])
        for row in rows.values():
            await change.save(replace(row, state=state), was=was)


async def test_switch_waits_for_what_was_committed_before_it_and_for_its_answer(pool, journal):
    begun = asyncio.Event()
    go_on = asyncio.Event()

    async def send_late():
        # It read the switches before there was one, and commits SENDING after.
        async with journal.change(at_us=5) as change:
            (row,) = await change.claim([new("cmd-0001")])
            begun.set()
            await go_on.wait()
            await change.save(replace(row, state=State.SENDING), was=State.RECEIVED)

    late = asyncio.create_task(send_late())
    await begun.wait()
    await set_trading(pool, HALT)
    watched = Watched(pool)
    waiting = asyncio.create_task(wait_for_outrun(watched, HALT, clock=SystemClock(), within_s=30))
    await watched.asked_again()
    assert not waiting.done(), "a transaction of before is open"
    go_on.set()
    await late
    await watched.asked_again()
    assert not waiting.done(), "its request may leave yet"
    await moved(journal, State.SENDING, State.ACCEPTED, new("cmd-0001"))
    outrun = await waiting
    assert (outrun.count, outrun.left) == (1, ())


async def test_switch_waits_for_no_cancel_and_for_nothing_that_is_not_its_own(pool, journal):
    commands = new("cmd-0001", kind="cancel"), new("cmd-0002", strategy_id="other")
    await moved(journal, State.RECEIVED, State.SENDING, *commands)
    mad = replace(HALT, scope="strategy", subject="mad")
    outrun = await wait_for_outrun(pool, mad, clock=SystemClock(), within_s=30)
    assert (outrun.count, outrun.left) == (0, ())


async def test_switch_names_what_has_no_answer_in_time(pool, journal):
    await moved(journal, State.RECEIVED, State.SENDING, new("cmd-0001"), new("cmd-0002"))
    waiting = asyncio.create_task(wait_for_outrun(pool, HALT, clock=SystemClock(), within_s=2))
    await moved(journal, State.SENDING, State.UNKNOWN, new("cmd-0002"))
    outrun = await waiting
    assert outrun.left == ("cmd-0001",)
    assert outrun.count in (1, 2)


async def test_switch_whose_wait_finds_no_end_says_that_nobody_knows(pool, journal):
    async with journal.change(at_us=5):
        outrun = await wait_for_outrun(pool, HALT, clock=SystemClock(), within_s=0.3)
    assert outrun.count is None


async def test_reader_of_the_journal_holds_no_switch_up(pool, journal):
    async with pool.transaction() as reading:
        await reading.fetch("SELECT * FROM order_accounts")

        async def waited():
            return await wait_for_outrun(pool, HALT, clock=SystemClock(), within_s=30)

        outrun = await eventually(waited)
    assert outrun.count == 0
