"""What the journal knows around a command: its target, its family, what came after it."""

from __future__ import annotations

from msgspec.structs import replace

from executor.journal.telling import parse_command
from executor.rules import reducer
from executor.rules.facts import Facts
from executor.rules.families import KINDS, turn_of
from executor.rules.guard import is_expired
from executor.rules.lifecycle import UNSENT
from executor.rules.slices import is_cut
from shared.store.change import Change
from shared.store.rows import CommandRow, OrderRow
from shared.wire.families import Basket
from shared.wire.orders import Modify, Place


async def as_part(change: Change, facts: Facts, parent_id: str) -> Facts:
    """Add what a placement's basket, or the exit that it is for, makes of it."""
    parent = (await change.commands([parent_id]))[parent_id]
    command = parse_command(parent)
    if not isinstance(command, Basket):
        return replace(facts, is_exit=parent.kind == "exit")
    members = await change.children_of(parent_id)
    return replace(facts, turn=turn_of(command, facts.row.command_id, members))


async def with_parts(change: Change, facts: Facts, placement: CommandRow) -> Facts:
    """Add what a cancel of several orders has to cancel."""
    if placement.kind in KINDS:
        members = await change.children_of(placement.command_id)
        return replace(facts, members=tuple(members.values()))
    command = parse_command(placement)
    if not isinstance(command, Place) or not is_cut(command):
        return facts
    rows = await change.orders_of(placement.command_id)
    return replace(facts, orders=tuple(reducer.load(each.seen) for each in rows))


async def later_modifies(
    change: Change, row: CommandRow, placement: CommandRow | None
) -> tuple[Modify, ...]:
    """Return the modifies of the same order that were claimed after this one and may yet leave."""
    named = {row.target_command_id, placement.command_id if placement is not None else None}
    orders = {row.order_id, placement.order_id if placement is not None else None}
    found = await change.open_commands_on([*filter(None, named)], [*filter(None, orders)])
    waiting = [
        each
        for each in found
        if each.serial > row.serial
        and each.state in UNSENT
        and not is_expired(each.valid_until_us, change.at_us)
    ]
    commands = [parse_command(each) for each in waiting]
    return tuple(each for each in commands if isinstance(each, Modify))


async def target_of(change: Change, row: CommandRow) -> tuple[CommandRow | None, OrderRow | None]:
    """Return the placement and the order that a modify or cancel names."""
    placement = None
    if row.target_command_id is not None:
        placement = (await change.commands([row.target_command_id])).get(row.target_command_id)
    elif row.order_id is not None:
        placement = next(iter((await change.placements_of([row.order_id])).values()), None)
    order_id = row.order_id or (placement.order_id if placement is not None else None)
    known = (await change.orders([order_id])).get(order_id) if order_id is not None else None
    return placement, known
