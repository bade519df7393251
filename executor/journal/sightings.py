"""What the broker's rows mean to the commands behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from executor.journal.moves import move
from executor.journal.telling import parse_command
from executor.metrics import EXTERNAL
from executor.rules import reducer
from executor.rules.changing import is_in_effect
from executor.rules.lifecycle import Step
from executor.rules.reducer import BrokerOrder
from executor.rules.slices import is_cut, parent_of, together
from executor.rules.throttled import is_throttled
from shared.store.change import Change
from shared.store.rows import CommandRow, OrderRow
from shared.wire.orders import Modify, Place, Reason, State

#: A placement in these will hear nothing more from the broker than its orders.
_WITHOUT_ANSWER: Final = frozenset({State.UNKNOWN, State.MANUAL, State.PARTIALLY_ACCEPTED})


async def sight(change: Change, sightings: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    """Merge sightings into the journal, move the commands behind them; return what was news.

    An order of nobody here is kept as EXTERNAL and left alone.
    """
    if not sightings:
        return []
    known = await change.orders([each.order_id for each in sightings])
    sightings = _unsettled(sightings, known)
    if not sightings:
        return []
    behind = await _placements(change, sightings, known)
    others: _Others | None = None
    news: list[BrokerOrder] = []
    for seen in sightings:
        row = known.get(seen.order_id)
        view = reducer.load(row.seen) if row is not None else None
        merged = reducer.merge(view, seen)
        placement = behind.of(seen.order_id)
        is_new_link = placement is not None and (row is None or row.command_id is None)
        if not reducer.is_news(view, merged) and not is_new_link:
            continue
        if others is None:
            # Once for all of them, and not at all where nothing is news.
            order_ids = [each.order_id for each in sightings]
            others = _Others(await change.open_commands_on([*behind.rows], order_ids))
        known[seen.order_id] = await _save(change, merged, row, placement)
        if row is None and placement is None and not parent_of(merged):
            EXTERNAL.inc()
        if placement is not None:
            placement = behind.rows[placement.command_id] = await _follow(change, placement, merged)
        await _settle_others(change, others, merged, placement)
        news.append(merged)
    return news


def _unsettled(
    sightings: Sequence[BrokerOrder], known: dict[str, OrderRow]
) -> Sequence[BrokerOrder]:
    """Return the sightings that may change anything; of a day's book those are few.

    One that repeats what is known of a linked order does not, unless another one of the same order
    comes with it.
    """
    count = Counter(each.order_id for each in sightings)

    def is_unsettled(seen: BrokerOrder) -> bool:
        row = known.get(seen.order_id)
        if row is None or row.command_id is None or count[seen.order_id] > 1:
            return True
        view = reducer.load(row.seen)
        return reducer.is_news(view, reducer.merge(view, seen))

    return [each for each in sightings if is_unsettled(each)]


@dataclass(frozen=True, slots=True)
class _Behind:
    """The placements behind orders; several orders may have come of one."""

    by_order: dict[str, str]
    rows: dict[str, CommandRow]

    def of(self, order_id: str) -> CommandRow | None:
        command_id = self.by_order.get(order_id)
        return None if command_id is None else self.rows[command_id]


async def _placements(
    change: Change, sightings: Sequence[BrokerOrder], known: dict[str, OrderRow]
) -> _Behind:
    """Return the placement behind each order."""
    wanted = (known.get(each.order_id) for each in sightings)
    linked = {row.order_id: row.command_id for row in wanted if row and row.command_id}
    unlinked = [each for each in sightings if each.order_id not in linked]
    rows = await change.commands(sorted(set(linked.values()))) if linked else {}
    tags = sorted({mark for each in unlinked for mark in each.marks})
    by_tag = {row.tag: row for row in (await change.commands_by_tag(tags) if tags else {}).values()}
    named = {each.order_id for each in unlinked} | {*filter(None, map(parent_of, unlinked))}
    by_id = {row.order_id: row for row in (await change.placements_of(sorted(named))).values()}
    for each in unlinked:
        row = by_id.get(each.order_id) or next(
            (by_tag[mark] for mark in each.marks if mark in by_tag), None
        )
        row = row or by_id.get(parent_of(each) or "")
        if row is not None and _is_of(each, row):
            linked[each.order_id] = row.command_id
            rows.setdefault(row.command_id, row)
    return _Behind(linked, rows)


def _is_of(order: BrokerOrder, row: CommandRow) -> bool:
    """Tell whether an order under a placement's mark is what was placed.

    The stop of a cover order carries the mark as well; a second order of one that is not cut up is
    not what was placed: the first one found keeps the link.
    """
    if order.variety == "co" and order.parent_order_id:
        return False
    if row.order_id in (None, order.order_id):
        return True
    return _cut_place(row) is not None


def _cut_place(row: CommandRow) -> Place | None:
    """Return the placement if the broker may make several orders of it."""
    command = parse_command(row)
    return command if isinstance(command, Place) and is_cut(command) else None


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
    if (cut := _cut_place(placement)) is not None:
        return await _follow_cut(change, placement, cut, order)
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


async def _follow_cut(
    change: Change, placement: CommandRow, command: Place, order: BrokerOrder
) -> CommandRow:
    """Bring a placement where all its orders together are."""
    row = placement
    if row.order_id is None:
        row = replace(row, order_id=parent_of(order) or order.order_id)
        row = await move(change, row, Step.SEEN_ENTERING)
    return await bring_together(change, row, command, is_lost=placement.state in _WITHOUT_ANSWER)


async def bring_together(
    change: Change, row: CommandRow, command: Place, *, is_lost: bool
) -> CommandRow:
    """Bring a placement that was cut up where all its orders together are; see `together`.

    Raises:
        StoreError: PostgreSQL is away.
    """
    views = [reducer.load(each.seen) for each in await change.orders_of(row.command_id)]
    whole = together(
        command, views, first=row.order_id, refused=row.slices_refused, is_lost=is_lost
    )
    reason = row.reason if whole.step is Step.SEEN_PART else None
    if whole.step is Step.SEEN_REJECTED:
        sentence = whole.order.status_message or "rejected"
        reason = Reason(code="broker_rejected", sentence=sentence)
    return await move(change, row, whole.step, order=whole.order, reason=reason)


class _Others:
    """The cancels and modifies that sightings may decide, as they are in this change."""

    def __init__(self, rows: Sequence[CommandRow]) -> None:
        self._rows = {row.command_id: row for row in rows}
        self._on_command: dict[str, set[str]] = {}
        self._on_order: dict[str, set[str]] = {}
        for row in rows:
            for named, name in (
                (self._on_command, row.target_command_id),
                (self._on_order, row.order_id),
            ):
                if name is not None:
                    named.setdefault(name, set()).add(row.command_id)

    def on(self, command_id: str | None, order_id: str) -> list[CommandRow]:
        """Return those that are open and name this command or this order, oldest first."""
        found = self._on_order.get(order_id, set())
        if command_id is not None:
            found = found | self._on_command.get(command_id, set())
        rows = (self._rows[each] for each in found)
        return sorted((row for row in rows if row.is_open), key=lambda row: row.serial)

    def put(self, row: CommandRow) -> None:
        """Keep a row as it is now."""
        self._rows[row.command_id] = row


async def _settle_others(
    change: Change, others: _Others, order: BrokerOrder, placement: CommandRow | None
) -> None:
    """End the cancels and modifies that this sighting decides."""
    # What names a placement that was cut up is not decided by one of its orders.
    is_whole = placement is not None and _cut_place(placement) is None
    command_id = placement.command_id if placement is not None and is_whole else None
    for row in others.on(command_id, order.order_id):
        if row.state not in (State.SENDING, State.UNKNOWN, State.ACCEPTED, State.ADMITTED):
            continue
        if row.kind == "cancel" and order.is_terminal:
            reason = None if order.step is Step.SEEN_CANCELLED else _ended(order)
            others.put(await move(change, row, order.step, order=order, reason=reason))
        elif row.kind == "modify" and row.state is State.UNKNOWN:
            others.put(await settle_modify(change, row, order))


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


async def accept_if_in_effect(
    change: Change, row: CommandRow, order: BrokerOrder | None, began_us: int
) -> None:
    """End a modify that a 429 answered, where a book read since shows it done all the same.

    Raises:
        StoreError: PostgreSQL is away.
    """
    command = parse_command(row)
    if not isinstance(command, Modify) or not is_throttled(row) or began_us <= row.changed_us:
        return
    if order is not None and is_in_effect(command, order):
        await move(change, row, Step.ACCEPT, order=order)


def _ended(order: BrokerOrder) -> Reason:
    return Reason(
        code="target_ended",
        sentence=f"the order is {order.status} already",
        measured=order.status,
        limit="open",
    )
