"""What the broker's rows mean to the commands behind them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from executor import reducer
from executor.guard import CHANGES
from executor.lifecycle import Step
from executor.moves import move
from executor.reducer import BrokerOrder
from executor.telling import parse_command
from shared.store.change import Change
from shared.store.rows import CommandRow, OrderRow
from shared.wire.orders import Modify, Reason, State


async def sight(change: Change, sightings: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    """Merge sightings into the journal, move the commands behind them; return what was news.

    An order of nobody here is kept as EXTERNAL and left alone.
    """
    known = await change.orders([each.order_id for each in sightings])
    placements = await _placements(change, sightings, known)
    news: list[BrokerOrder] = []
    for seen in sightings:
        row = known.get(seen.order_id)
        view = reducer.load(row.seen) if row is not None else None
        merged = reducer.merge(view, seen)
        placement = placements.get(seen.order_id)
        is_new_link = placement is not None and (row is None or row.command_id is None)
        if not reducer.is_news(view, merged) and not is_new_link:
            continue
        known[seen.order_id] = await _save(change, merged, row, placement)
        if placement is not None:
            placements[seen.order_id] = await _follow(change, placement, merged)
        await _settle_others(change, merged, placement)
        news.append(merged)
    return news


async def _placements(
    change: Change, sightings: Sequence[BrokerOrder], known: dict[str, OrderRow]
) -> dict[str, CommandRow]:
    """Return the placement behind each order, by order_id."""
    linked = {row.order_id: row.command_id for row in known.values() if row.command_id}
    unlinked = [each for each in sightings if each.order_id not in linked]
    tags = sorted({mark for each in unlinked for mark in each.marks})
    by_tag = {row.tag: row for row in (await change.commands_by_tag(tags) if tags else {}).values()}
    by_order = {
        row.order_id: row
        for row in (await change.placements_of([each.order_id for each in unlinked])).values()
    }
    rows = await change.commands(sorted(set(linked.values()))) if linked else {}
    found = {order_id: rows[command_id] for order_id, command_id in linked.items()}
    for each in unlinked:
        row = by_order.get(each.order_id) or next(
            (by_tag[mark] for mark in each.marks if mark in by_tag), None
        )
        # A second order under one tag is not what was placed: the first one found keeps the link.
        if row is not None and row.order_id in (None, each.order_id):
            found[each.order_id] = row
    return found


async def _save(
    change: Change, merged: BrokerOrder, row: OrderRow | None, placement: CommandRow | None
) -> OrderRow:
    saved = OrderRow(
        order_id=merged.order_id,
        command_id=placement.command_id if placement is not None else None,
        origin="OURS" if placement is not None else "EXTERNAL",
        status=merged.status,
        is_terminal=merged.is_terminal,
        filled=merged.filled_quantity,
        version=merged.version,
        modifications=row.modifications if row is not None else 0,
        seen=reducer.dump(merged),
        observed_us=merged.observed_us,
    )
    await change.save_order(saved)
    return saved


async def _follow(change: Change, placement: CommandRow, order: BrokerOrder) -> CommandRow:
    """Bring the placement where its order is; one found by its tag is accepted first."""
    row = placement
    if row.order_id is None:
        row = replace(row, order_id=order.order_id)
        row = await move(change, row, Step.SEEN_ENTERING, order=order)
        if order.step is Step.SEEN_ENTERING:
            return row
    reason = None
    if order.step is Step.SEEN_REJECTED:
        reason = Reason(code="broker_rejected", sentence=order.status_message or "rejected")
    return await move(change, row, order.step, order=order, reason=reason)


async def _settle_others(change: Change, order: BrokerOrder, placement: CommandRow | None) -> None:
    """End the cancels and modifies that this sighting decides."""
    command_ids = [placement.command_id] if placement is not None else []
    for row in await change.open_commands_on(command_ids, [order.order_id]):
        if row.state not in (State.SENDING, State.UNKNOWN, State.ACCEPTED, State.ADMITTED):
            continue
        if row.kind == "cancel" and order.is_terminal:
            reason = None if order.step is Step.SEEN_CANCELLED else _ended(order)
            await move(change, row, order.step, order=order, reason=reason)
        elif row.kind == "modify" and row.state is State.UNKNOWN:
            await settle_modify(change, row, order)


async def settle_modify(change: Change, row: CommandRow, order: BrokerOrder) -> CommandRow:
    """Bring a modify of unknown outcome to its end where its order shows what became of it.

    Raises:
        StoreError: PostgreSQL is away.
    """
    command = parse_command(row)
    assert isinstance(command, Modify)
    if is_in_effect(command, order):
        return await move(change, row, Step.ACCEPT, order=order)
    if order.is_terminal:
        return await move(change, row, Step.REJECT, order=order, reason=_ended(order))
    return row


def is_in_effect(modify: Modify, order: BrokerOrder) -> bool:
    """Tell whether the order is as the modify wanted it, as far as the book shows."""
    wanted = {name: getattr(modify, name) for name in CHANGES if name != "market_protection"}
    return all(value is None or getattr(order, name) == value for name, value in wanted.items())


def _ended(order: BrokerOrder) -> Reason:
    return Reason(
        code="target_ended",
        sentence=f"the order is {order.status} already",
        measured=order.status,
        limit="open",
    )
