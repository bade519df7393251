"""What one batch of commands does to the journal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from executor.journal import switching
from executor.journal.moves import move
from executor.journal.telling import tell, tell_again
from executor.metrics import REPEATED
from executor.rules.families import KINDS
from executor.rules.lifecycle import Step
from shared.store.change import Change
from shared.store.rows import CommandRow, NewCommand
from shared.wire.orders import OrderEvent, Reason, State
from shared.wire.steps import Told

CANCELLED_UNSENT = Reason(
    code="cancelled_before_sending", sentence="a cancel was read first; the order was not sent"
)


async def claim(change: Change, given: Sequence[NewCommand], *, account: str) -> list[CommandRow]:
    """Claim what is new; answer what is not; return what is still to be done.

    A command_id seen before changes nothing: the same command gets its newest event again, another
    one a conflict.
    """
    first: dict[str, NewCommand] = {}
    for command in given:
        first.setdefault(command.command_id, command)
    claimed = {row.command_id: row for row in await change.claim(list(first.values()))}
    repeats = [
        command
        for command in given
        if command.command_id not in claimed or first[command.command_id] is not command
    ]
    for row in claimed.values():
        change.emit(tell(Told.RECEIVED, row))
    switches = [row for row in claimed.values() if row.kind in switching.KINDS]
    for row in switches:
        await switching.apply(change, row, account=account)
    unsent = await _end_buried(change, claimed) - {row.command_id for row in switches}
    if repeats:
        await _answer_repeats(change, repeats)
    return [row for row in claimed.values() if row.command_id in unsent]


async def _end_buried(change: Change, claimed: dict[str, CommandRow]) -> set[str]:
    placements = [row.command_id for row in claimed.values() if row.kind in ("place", *KINDS)]
    buried = await change.buried(placements) if placements else {}
    cancels = await change.commands(list(buried.values())) if buried else {}
    for command_id, cancel_id in buried.items():
        await move(change, claimed[command_id], Step.END_UNSENT, reason=CANCELLED_UNSENT)
        cancel = cancels.get(cancel_id)
        if cancel is not None and cancel.state is State.RECEIVED:
            await move(change, cancel, Step.END_UNSENT)
    return claimed.keys() - buried.keys()


async def _answer_repeats(change: Change, repeats: Sequence[NewCommand]) -> None:
    command_ids = [command.command_id for command in repeats]
    known = await change.commands(command_ids)
    last = await change.last_steps(command_ids)
    for command in repeats:
        row = known[command.command_id]
        if row.fingerprint == command.fingerprint:
            REPEATED.labels(outcome="replayed").inc()
            change.emit(tell_again(last[command.command_id]), is_step=False)
        else:
            REPEATED.labels(outcome="conflict").inc()
            change.emit(_conflict(row, command), is_step=False)


def _conflict(row: CommandRow, command: NewCommand) -> OrderEvent:
    reason = Reason(
        code="command_id_reused",
        sentence=f"command_id {row.command_id} belongs to another command, which is {row.state}",
        field="command_id",
        measured=command.fingerprint.hex(),
        limit=row.fingerprint.hex(),
    )
    event = tell(Told.CONFLICT, replace(row, state=State.CONFLICT), reason=reason)
    return msgspec.structs.replace(event, kind=command.kind)
