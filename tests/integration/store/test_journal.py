from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from shared.errors import IllegalTransition, LeaseLost, StoreError
from shared.store.journal import Journal
from shared.store.rows import Lot, NewCommand, OrderRow
from shared.store.seat import occupy
from shared.wire.orders import OrderEvent, Reason, State
from tests.integration.store.conftest import ACCOUNT

pytestmark = pytest.mark.integration

#: An open order of nobody here.
EXTERNAL = OrderRow(
    order_id="1",
    command_id=None,
    origin="EXTERNAL",
    status="OPEN",
    is_terminal=False,
    filled=0,
    version="v",
    modifications=0,
    seen='{"a": 1}',
    observed_us=5,
)


def new(command_id="cmd-0001", **facts):
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


def told(command_id="cmd-0001", **facts):
    return OrderEvent(
        **{
            "sequence": 0,
            "account": "",
            "command_id": command_id,
            "kind": "place",
            "event": "received",
            "state": State.RECEIVED,
            "at_us": 0,
            **facts,
        }
    )


async def saved(journal, *rows):
    async with journal.change(at_us=7) as change:
        for row, was in rows:
            await change.save(row, was=was)


async def test_claim_fifty_copies_at_once_are_claimed_once(journal):
    async def claim():
        async with journal.change(at_us=5) as change:
            claimed = await change.claim([new()])
            for row in claimed:
                change.emit(told(row.command_id))
            return claimed

    claims = await asyncio.gather(*(claim() for _ in range(50)))
    assert sum(len(each) for each in claims) == 1
    assert [event.sequence for event in await journal.unpublished(100)] == [1]


async def test_claim_keeps_the_order_and_the_bytes_given(journal):
    commands = [new(f"cmd-{n:04d}", payload=bytes([n])) for n in range(20)]
    async with journal.change(at_us=5) as change:
        claimed = await change.claim(commands)
    assert [row.payload for row in claimed] == [bytes([n]) for n in range(20)]
    assert await journal.open_commands() == claimed
    assert await journal.command("cmd-0003") == claimed[3]


async def test_events_of_a_failed_change_leave_no_hole(journal):
    async with journal.change(at_us=5) as change:
        change.emit(told())

    async def fail():
        async with journal.change(at_us=6) as change:
            change.emit(told())
            await change.flush()
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with journal.change(at_us=7) as change:
        change.emit(told(event="updated"))
        change.emit(told(event="last"))
    waiting = await journal.unpublished(100)
    events = [msgspec.json.decode(each.payload, type=OrderEvent) for each in waiting]
    assert [event.sequence for event in events] == [1, 2, 3]
    assert [event.at_us for event in events] == [5, 7, 7]
    await journal.mark_published(2)
    assert [each.sequence for each in await journal.unpublished(100)] == [3]


async def test_save_with_another_state_in_the_row_is_an_illegal_transition(journal):
    async with journal.change(at_us=5) as change:
        (row,) = await change.claim([new()])
        reason = Reason(code="x", sentence="y")
        await change.save(
            replace(row, state=State.REFUSED, is_open=False, reason=reason), was=State.RECEIVED
        )
    found = await journal.command("cmd-0001")
    assert (found.state, found.reason, found.changed_us) == (State.REFUSED, reason, 5)
    assert await journal.open_commands() == []
    with pytest.raises(IllegalTransition):
        async with journal.change(at_us=6) as change:
            await change.save(replace(row, state=State.SENDING), was=State.RECEIVED)


async def test_journal_that_is_warmed_up_without_a_seat_writes_nothing(pool):
    await Journal(pool, ACCOUNT).warm()
    async with pool.connection() as connection:
        for table in ("order_accounts", "order_commands", "order_events"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_commands_saved_together_are_all_written_or_none_of_them(journal):
    async with journal.change(at_us=5) as change:
        first, second = await change.claim([new(), new(command_id="cmd-0002")])
    sending = [replace(row, state=State.SENDING) for row in (first, second)]
    async with journal.change(at_us=6) as change:
        await change.save(sending[1], was=State.RECEIVED)
    with pytest.raises(IllegalTransition, match="UPDATE 1"):
        await saved(journal, *((row, State.RECEIVED) for row in sending))
    assert (await journal.command("cmd-0001")).state is State.RECEIVED


async def test_command_saved_twice_in_one_change_ends_as_it_was_saved_last(journal):
    async with journal.change(at_us=5) as change:
        (row,) = await change.claim([new()])
        sending = replace(row, state=State.SENDING, attempts=1)
        await change.save(sending, was=State.RECEIVED)
        await change.save(replace(sending, state=State.UNKNOWN), was=State.SENDING)
        read = (await change.commands(["cmd-0001"]))["cmd-0001"]
        assert (read.state, read.attempts) == (State.UNKNOWN, 1)
    manual, accepted = (replace(row, state=state) for state in (State.MANUAL, State.ACCEPTED))
    with pytest.raises(IllegalTransition, match="SENDING to ACCEPTED"):
        await saved(journal, (manual, State.UNKNOWN), (accepted, State.SENDING))
    assert (await journal.command("cmd-0001")).state is State.UNKNOWN


async def test_order_saved_in_a_change_is_read_in_it_and_keeps_the_later_of_two(journal):
    order = replace(EXTERNAL, order_id="26112800001")
    async with journal.change(at_us=5) as change:
        await change.save_order(order)
        assert list(await change.orders([order.order_id])) == [order.order_id]
        await change.save_order(replace(order, filled=1))
        await change.save_order(replace(order, filled=2, status="COMPLETE", is_terminal=True))
    async with journal.change(at_us=6) as change:
        found = (await change.orders([order.order_id]))[order.order_id]
    assert (found.filled, found.status, found.origin) == (2, "COMPLETE", "EXTERNAL")


async def test_open_commands_are_counted_by_state_with_the_age_of_the_oldest(journal):
    async with journal.change(at_us=5) as change:
        rows = await change.claim([new(f"cmd-{number:04d}") for number in range(4)])
    first, second, third, _ = rows
    async with journal.change(at_us=6) as change:
        for row, sent_us in ((first, 40), (second, 30)):
            unknown = replace(row, state=State.UNKNOWN, sending_us=sent_us)
            await change.save(unknown, was=State.RECEIVED)
        await change.save(replace(third, state=State.REFUSED, is_open=False), was=State.RECEIVED)
    assert await journal.open_lots() == {
        State.UNKNOWN: Lot(commands=2, oldest_us=30),
        State.RECEIVED: Lot(commands=1, oldest_us=5),
    }


async def test_most_modified_order_is_one_that_lives_and_was_seen_since(journal):
    assert await journal.most_modifications(0) == 0
    orders = (
        replace(EXTERNAL, order_id="1", modifications=3, observed_us=100),
        replace(EXTERNAL, order_id="2", modifications=9, observed_us=99),
        replace(EXTERNAL, order_id="3", modifications=20, observed_us=100, is_terminal=True),
    )
    async with journal.change(at_us=5) as change:
        for order in orders:
            await change.save_order(order)
    assert await journal.most_modifications(99) == 9
    assert await journal.most_modifications(100) == 3


async def test_seat_is_given_to_one_owner_at_a_time(pool, seated):
    async with seated(), occupy(pool, ACCOUNT, owner="two", at_us=2) as second:
        assert second is None
    async with occupy(pool, ACCOUNT, owner="two", at_us=3) as third:
        assert third.fence == 2


async def test_journal_of_an_owner_that_lost_its_seat_writes_nothing(pool, seated):
    async with seated("one") as first:
        pass  # its session ended, which it has not noticed
    async with seated("two") as second:
        with pytest.raises(LeaseLost):
            async with first.change(at_us=5) as change:
                await change.claim([new()])
        assert await second.open_commands() == []
    async with occupy(pool, ACCOUNT, owner="one", at_us=9) as late:
        with pytest.raises(LeaseLost):
            first.sit(late)


async def test_journal_between_two_seats_fails_in_a_way_that_passes(pool, seated):
    async with seated("one") as journal:
        await journal.rise()
        with pytest.raises(StoreError, match="seat is not held"):
            async with journal.change(at_us=5):
                pass
    async with occupy(pool, ACCOUNT, owner="one", at_us=6) as again:
        journal.sit(again)
        async with journal.change(at_us=7) as change:
            assert len(await change.claim([new()])) == 1


async def test_tombstone_names_the_cancel_that_left_it(journal):
    async with journal.change(at_us=5) as change:
        await change.bury("cmd-0001", by_command_id="cancel-01")
        await change.bury("cmd-0001", by_command_id="cancel-02")
        assert await change.buried(["cmd-0001", "cmd-0002"]) == {"cmd-0001": "cancel-01"}


async def test_orders_are_kept_by_their_id_as_last_seen(journal):
    seen = EXTERNAL
    async with journal.change(at_us=5) as change:
        await change.save_order(seen)
        await change.save_order(replace(seen, status="COMPLETE", is_terminal=True))
    (kept,) = (await journal.orders(["1", "2"])).values()
    assert (kept.status, kept.is_terminal) == ("COMPLETE", True)


async def test_last_step_of_each_command_is_its_newest_whatever_repeats_were_answered(journal):
    async with journal.change(at_us=5) as change:
        change.emit(told("cmd-0001"))
        change.emit(told("cmd-0001", event="refused"))
        change.emit(told("cmd-0002"))
        change.emit(told("cmd-0002", event="conflict"), is_step=False)
    async with journal.change(at_us=6) as change:
        last = await change.last_steps(["cmd-0001", "cmd-0002"])
    assert {name: event.event for name, event in last.items()} == {
        "cmd-0001": "refused",
        "cmd-0002": "received",
    }


async def test_old_events_go_but_the_newest_step_of_each_command_stays_to_be_replayed(journal):
    for at_us in (5, 6):
        async with journal.change(at_us=at_us) as change:
            if at_us == 5:
                await change.claim([new(), new("cmd-0002")])
            change.emit(told())
            change.emit(told("cmd-0002"))
            change.emit(told("no-command"), is_step=False)
    prune = {"before_us": 7, "count_max": 4}
    assert await journal.prune_events(after_sequence=0, **prune) is None, "not published yet"
    await journal.mark_published(6)
    first = await journal.prune_events(after_sequence=0, **prune)
    second = await journal.prune_events(after_sequence=first.through, **prune)
    assert (first.deleted, first.through, second.deleted, second.through) == (3, 4, 1, 6)
    assert await journal.prune_events(after_sequence=6, **prune) is None
    async with journal.change(at_us=8) as change:
        last = await change.last_steps(["cmd-0001", "cmd-0002"])
        assert {name: event.sequence for name, event in last.items()} == {
            "cmd-0001": 4,
            "cmd-0002": 5,
        }


async def test_events_younger_than_asked_are_kept(journal):
    async with journal.change(at_us=5) as change:
        change.emit(told(), is_step=False)
    await journal.mark_published(1)
    assert await journal.prune_events(before_us=5, after_sequence=0, count_max=10) is None
