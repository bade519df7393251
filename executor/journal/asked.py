"""A command as the journal claims it."""

from __future__ import annotations

from collections.abc import Sequence

from executor.journal.telling import tell
from executor.rules.backlog import priority_of
from executor.rules.reducing import side_of
from shared.store.change import Change
from shared.store.rows import CommandRow, Encoding, NewCommand
from shared.wire.codec import JSON_FIELD, encode
from shared.wire.fingerprint import fingerprint
from shared.wire.orders import Command, Place
from shared.wire.steps import Told


def new_command(
    command: Command,
    *,
    encoding: Encoding = "json",
    payload: bytes | None = None,
    parent_command_id: str | None = None,
) -> NewCommand:
    """Return what is claimed; `payload` is the entry's own bytes where it came as an entry."""
    kind = str(type(command).__struct_config__.tag)
    return NewCommand(
        command_id=command.command_id,
        kind=kind,
        fingerprint=fingerprint(command),
        encoding=encoding,
        payload=encode(command)[JSON_FIELD] if payload is None else payload,
        priority=priority_of(kind),
        strategy_id=command.strategy_id,
        exposure=exposure_of(command),
        target_command_id=getattr(command, "target_command_id", None),
        order_id=getattr(command, "order_id", None),
        valid_until_us=command.valid_until_us,
        parent_command_id=parent_command_id,
    )


def exposure_of(command: Command) -> str | None:
    """Return what a placement adds to, side and instrument; None for what adds to nothing."""
    if not isinstance(command, Place):
        return None
    return side_of(command)


async def spawn(change: Change, commands: Sequence[NewCommand]) -> list[CommandRow]:
    """Claim commands that a command has led to; those claimed before are left as they are.

    Whatever of them is still to be sent comes into the backlog once the change is committed.

    Raises:
        StoreError: the server refused or vanished.
    """
    claimed = await change.claim(commands)
    for row in claimed:
        change.emit(tell(Told.RECEIVED, row))
    rows = await change.commands([each.command_id for each in commands])
    change.spawned += rows.values()
    return [rows[each.command_id] for each in commands]
