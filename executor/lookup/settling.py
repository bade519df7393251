"""Writes of unknown outcome that are no orders, looked for in the broker's own lists."""

from __future__ import annotations

from msgspec.structs import replace

from executor.desk import Desk
from executor.journal.moves import move
from executor.journal.telling import parse_command
from executor.rules import writes
from executor.rules.lifecycle import Step
from executor.rules.writes import Evidence
from shared.errors import KiteError
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.wire.orders import State


async def read_evidence(desk: Desk) -> Evidence | None:
    """Read what may show the end of the writes in doubt; None where it was not read.

    Raises:
        StoreError: PostgreSQL is away.
    """
    kinds = writes.KINDS & set(await desk.journal.kinds_in(State.UNKNOWN))
    if not kinds:
        return Evidence()
    try:
        return await desk.broker.evidence(kinds)
    except KiteError as error:
        desk.patience.log.warning("writes.evidence_unread", error=str(error))
        return None


async def settle_write(change: Change, row: CommandRow, evidence: Evidence) -> CommandRow:
    """Bring a write to its end where the broker shows what became of it.

    Raises:
        StoreError: PostgreSQL is away.
    """
    command = parse_command(row)
    assert isinstance(command, writes.WRITES)
    shown = [str(each.get("id", "")) for each in evidence.triggers]
    others = (await change.commands_on(shown)) if shown else []
    taken = {each.order_id or "" for each in others if each.command_id != row.command_id}
    found = writes.find(
        command,
        evidence,
        sent_us=row.sending_us or row.received_us,
        tag=row.tag or "",
        taken=frozenset(taken),
    )
    if found is None:
        return row
    return await move(change, replace(row, order_id=found), Step.ACCEPT)
