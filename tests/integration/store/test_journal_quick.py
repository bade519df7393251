"""The short way must do what the longer one does, or nothing."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from shared.errors import LeaseLost
from shared.store.journal_quick import received_row
from shared.store.trading import TradingSwitch, set_trading
from shared.wire.orders import State
from tests.integration.store.conftest import ACCOUNT
from tests.integration.store.test_journal import new, told

pytestmark = pytest.mark.integration


def telling(row):
    return told(row.command_id)


async def warm(journal):
    """Let the journal read the newest event's number."""
    async with journal.change(at_us=1):
        pass


async def claimed(journal, command_id="cmd-0001", **facts):
    rows = await journal.claim_new([new(command_id, **facts)], at_us=5, tell=telling)
    return rows[0]


def sending(row):
    return replace(row, state=State.SENDING, tag="tag", attempts=1, sending_us=6)


async def send(journal, row):
    return await journal.send_new(sending(row), told(row.command_id), at_us=6)


async def test_claim_writes_rows_and_events_as_the_longer_way_does(journal):
    await warm(journal)
    commands = [new("cmd-0001"), new("cmd-0002", kind="cancel", order_id="7")]
    rows = await journal.claim_new(commands, at_us=5, tell=telling)
    assert rows == [await journal.command(each.command_id) for each in commands]
    assert [each.sequence for each in await journal.unpublished(9)] == [1, 2]
    assert rows[0].serial < rows[1].serial


async def test_claim_of_a_command_seen_before_or_buried_writes_nothing(journal):
    await warm(journal)
    await claimed(journal)
    async with journal.change(at_us=6) as change:
        await change.bury("cmd-0003", by_command_id="cmd-0001")
    for known in ("cmd-0001", "cmd-0003"):
        given = [new("cmd-0002"), new(known)]
        assert await journal.claim_new(given, at_us=7, tell=telling) is None
        await warm(journal)
    assert await journal.command("cmd-0002") is None
    assert len(await journal.unpublished(9)) == 1


async def test_claim_of_two_of_one_id_is_left_to_the_longer_way(journal):
    await warm(journal)
    assert await journal.claim_new([new(), new()], at_us=7, tell=telling) is None


async def test_sending_is_written_with_its_event(journal):
    await warm(journal)
    row = await claimed(journal)
    assert await send(journal, row)
    assert await journal.command("cmd-0001") == replace(sending(row), changed_us=6)
    assert [each.sequence for each in await journal.unpublished(9)] == [1, 2]
    assert not await send(journal, row), "it is no longer RECEIVED"


@pytest.mark.parametrize(
    ("scope", "subject"), [("global", ""), ("account", ACCOUNT), ("strategy", "mine")]
)
@pytest.mark.parametrize(("state", "is_sent"), [("HALTED", False), ("ACTIVE", True)])
async def test_sending_heeds_every_switch(pool, journal, scope, subject, state, is_sent):
    await warm(journal)
    row = await claimed(journal, strategy_id="mine")
    switch = TradingSwitch(scope=scope, subject=subject, state=state, set_by="t", changed_us=1)
    await set_trading(pool, switch)
    assert await send(journal, row) is is_sent


async def test_sending_waits_while_one_of_its_like_is_in_doubt(journal):
    await warm(journal)
    first = await claimed(journal, exposure="BUY NSE:INFY")
    async with journal.change(at_us=6) as change:
        await change.save(replace(first, state=State.UNKNOWN), was=State.RECEIVED)
    second = await claimed(journal, "cmd-0002", exposure="BUY NSE:INFY")
    assert not await send(journal, second)


async def test_nothing_is_written_under_a_lost_fence(pool, journal):
    await warm(journal)
    row = await claimed(journal)
    async with pool.transaction() as connection:
        await connection.execute("UPDATE order_accounts SET fence = fence + 1")
    assert not await send(journal, row)
    assert await journal.claim_new([new("cmd-0002")], at_us=7, tell=telling) is None
    with pytest.raises(LeaseLost):
        await warm(journal)


async def test_sendings_that_gather_are_written_by_one_commit_all_or_none(pool, journal):
    await warm(journal)
    names = [f"cmd-000{number}" for number in range(1, 5)]
    rows = await journal.claim_new([new(each) for each in names], at_us=5, tell=telling)

    async def send_all(some):
        # The journal is held: whatever comes meanwhile gathers.
        async with journal.change(at_us=6):
            tasks = [
                asyncio.create_task(
                    journal.send_new(
                        replace(sending(row), tag=row.command_id), told(row.command_id), at_us=6
                    )
                )
                for row in some
            ]
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks)

    assert await send_all(rows[:3]) == [True, True, True]
    assert await send_all(rows[2:]) == [False, False], "one of them has left already"
    states = [(await journal.command(each)).state for each in names]
    assert states == [State.SENDING] * 3 + [State.RECEIVED]
    assert [each.sequence for each in await journal.unpublished(99)] == list(range(1, 8))
    async with pool.connection() as connection:
        written = await connection.fetchval(
            "SELECT count(DISTINCT xmin::text) FROM order_commands WHERE state = 'SENDING'"
        )
    assert written == 1


async def test_answer_is_written_over_sending_alone(journal):
    await warm(journal)
    row = await claimed(journal)
    accepted = replace(sending(row), state=State.ACCEPTED, order_id="42", changed_us=7)
    event = told(row.command_id)
    assert not await journal.accept_sent(accepted, event, at_us=7), "it is RECEIVED"
    await warm(journal)
    assert await send(journal, row)
    assert await journal.accept_sent(accepted, event, at_us=7)
    assert await journal.command("cmd-0001") == accepted
    assert not await journal.accept_sent(accepted, event, at_us=8), "it is ACCEPTED"
    assert [each.sequence for each in await journal.unpublished(9)] == [1, 2, 3]


async def place(journal, name="cmd-0001", **facts):
    command = new(name, **facts)
    row = sending(received_row(command, serial=0, at_us=5))
    return await journal.place_new(command, row, [told(name), told(name)], at_us=6)


async def test_placement_is_claimed_and_sending_by_one_commit_with_two_events(journal):
    await warm(journal)
    row = await place(journal, exposure="BUY NSE:INFY", strategy_id="mine")
    assert row == await journal.command("cmd-0001")
    assert (row.state, row.received_us, row.sending_us, row.is_open) == (State.SENDING, 5, 6, True)
    assert [each.sequence for each in await journal.unpublished(9)] == [1, 2]


@pytest.mark.parametrize("hindrance", ["seen before", "buried", "halted", "in doubt", "lost fence"])
async def test_placement_that_something_keeps_back_is_not_written_at_once(pool, journal, hindrance):
    await warm(journal)
    if hindrance == "seen before":
        await claimed(journal)
    elif hindrance == "halted":
        switch = TradingSwitch(
            scope="strategy", subject="mine", state="HALTED", set_by="t", changed_us=1
        )
        await set_trading(pool, switch)
    elif hindrance == "lost fence":
        async with pool.transaction() as connection:
            await connection.execute("UPDATE order_accounts SET fence = fence + 1")
    elif hindrance == "buried":
        async with journal.change(at_us=6) as change:
            await change.bury("cmd-0001", by_command_id="cmd-0009")
    else:
        other = await claimed(journal, "cmd-0002", exposure="BUY NSE:INFY")
        async with journal.change(at_us=6) as change:
            await change.save(replace(other, state=State.UNKNOWN), was=State.RECEIVED)
    before = await journal.command("cmd-0001"), await journal.unpublished(9)
    assert await place(journal, strategy_id="mine", exposure="BUY NSE:INFY") is None
    assert before == (await journal.command("cmd-0001"), await journal.unpublished(9))
