"""Parents of families in the journal: their parts claimed, their end followed."""

from __future__ import annotations

from collections.abc import Sequence

from executor.desk import Verdict
from executor.journal.asked import new_command, spawn
from executor.journal.moves import move
from executor.journal.telling import parse_command
from executor.rules.derived import derived_id
from executor.rules.families import KINDS, progress_of
from executor.rules.lifecycle import Step
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.wire.orders import Cancel, Command, Reason, State


async def spread(change: Change, row: CommandRow, commands: Sequence[Command]) -> Verdict:
    """Claim the parts of a command together with the step that says so.

    Raises:
        StoreError: the server refused or vanished.
    """
    taken = await change.commands([each.command_id for each in commands])
    foreign = next((each for each in taken.values() if _is_foreign(each, row)), None)
    if foreign is not None:
        await move(change, row, Step.REFUSE, reason=_taken(foreign.command_id))
        return Verdict.DONE
    parts = [new_command(each, parent_command_id=row.command_id) for each in commands]
    await spawn(change, parts)
    await move(change, row, Step.SPREAD)
    return Verdict.PARK


async def follow(change: Change, current: CommandRow) -> Verdict:
    """Bring a parent where its parts are; done once it is at rest.

    Raises:
        StoreError: the server refused or vanished.
    """
    members = await change.children_of(current.command_id)
    if not members:
        return Verdict.DONE
    progress = progress_of(parse_command(current), members)
    if progress.to_cancel:
        # One cancel for each leg, the same at every attempt.
        cancels = [_cancel(current, leg) for leg in progress.to_cancel]
        new = [each for each in cancels if each.command_id not in members]
        if new:
            parts = [new_command(each, parent_command_id=current.command_id) for each in new]
            await spawn(change, parts)
    change.spawned += members.values()
    if progress.step is None:
        return Verdict.PARK
    await move(change, current, progress.step, reason=progress.reason)
    return Verdict.DONE


def is_parent(row: CommandRow) -> bool:
    """Tell whether a row has been carried out by further commands, or may have been."""
    if row.kind in KINDS:
        return row.state is State.ACCEPTED
    is_spread = row.order_id is None and row.target_command_id is not None
    return row.kind == "cancel" and row.state is State.ACCEPTED and is_spread


def _cancel(basket: CommandRow, leg: CommandRow) -> Cancel:
    name = leg.command_id.rpartition(".")[2]
    return Cancel(
        command_id=derived_id(basket.command_id, f"cancel{name}"),
        strategy_id=basket.strategy_id,
        target_command_id=leg.command_id,
    )


def _is_foreign(found: CommandRow, parent: CommandRow) -> bool:
    return found.parent_command_id != parent.command_id


def _taken(command_id: str) -> Reason:
    return Reason(
        code="derived_id_taken",
        sentence=f"command_id {command_id}, which a part of it would have, belongs to another",
        field="command_id",
        measured=command_id,
    )
