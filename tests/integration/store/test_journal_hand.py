from __future__ import annotations

import pytest

from shared.errors import StoreError
from shared.store.journal_hand import DirectCancel, Resolution, record_direct, resolve
from shared.store.rows import CommandRow
from shared.wire.orders import State
from tests.integration.store.conftest import ACCOUNT
from tests.integration.store.test_journal import new, told

pytestmark = pytest.mark.integration

DIRECT = DirectCancel(
    command_id="direct-0001",
    account=ACCOUNT,
    order_id="77",
    variety="regular",
    by="Ann",
    sent_us=7,
    state=State.ACCEPTED,
)


def said(order_id=None):
    return Resolution(order_id=order_id, by="Ann", reason="seen in the console")


async def in_state(journal, state) -> CommandRow:
    from msgspec.structs import replace

    async with journal.change(at_us=5) as change:
        (row,) = await change.claim([new()])
        change.emit(told())
        await change.save(replace(row, state=state), was=State.RECEIVED)
    return row


@pytest.mark.parametrize("state", [State.UNKNOWN, State.MANUAL])
@pytest.mark.parametrize(
    ("order_id", "after", "is_open"), [("42", State.ACCEPTED, True), (None, State.REFUSED, False)]
)
async def test_resolve_ends_what_nobody_knows(pool, journal, state, order_id, after, is_open):
    await in_state(journal, state)
    event = await resolve(pool, ACCOUNT, "cmd-0001", said(order_id), at_us=9)
    row = await journal.command("cmd-0001")
    assert (row.state, row.order_id, row.is_open) == (after, order_id, is_open)
    assert (event.event, event.state, event.sequence) == ("resolved", after, 2)
    assert row.reason.sentence == "Ann: seen in the console"
    assert [each.sequence for each in await journal.unpublished(9)] == [1, 2]


async def test_resolve_leaves_alone_what_somebody_knows(pool, journal):
    await in_state(journal, State.OPEN)
    with pytest.raises(StoreError, match="is OPEN"):
        await resolve(pool, ACCOUNT, "cmd-0001", said(), at_us=9)
    with pytest.raises(StoreError, match="no command"):
        await resolve(pool, ACCOUNT, "cmd-9999", said(), at_us=9)
    with pytest.raises(StoreError, match="no journal"):
        await resolve(pool, "ZZ9999", "cmd-0001", said(), at_us=9)


async def test_executor_writes_on_behind_a_person(pool, journal):
    await in_state(journal, State.UNKNOWN)
    await resolve(pool, ACCOUNT, "cmd-0001", said(), at_us=9)
    # Its number is out of date now: the quick way writes nothing, the longer one reads it again.
    command = new("cmd-0002")
    assert (
        await journal.claim_new([command], at_us=10, tell=lambda row: told(row.command_id)) is None
    )
    async with journal.change(at_us=11) as change:
        await change.claim([command])
        change.emit(told("cmd-0002"))
    assert [each.sequence for each in await journal.unpublished(9)] == [1, 2, 3]


async def test_direct_cancel_is_written_once_and_followed(pool, journal):
    assert await record_direct(pool, DIRECT, at_us=9)
    assert not await record_direct(pool, DIRECT, at_us=10)
    row = await journal.command("direct-0001")
    assert (row.kind, row.state, row.order_id, row.is_open) == ("cancel", "ACCEPTED", "77", True)
    assert len(await journal.unpublished(9)) == 1
