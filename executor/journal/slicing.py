"""What the broker made of a sliced placement, into the journal."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from executor.broker.broker import Taken
from executor.journal.asked import new_command, spawn
from executor.journal.moves import move
from executor.journal.sightings import bring_together, sight
from executor.journal.telling import parse_command, tell
from executor.metrics import ALERTS
from executor.rules import reducer
from executor.rules.derived import derived_id
from executor.rules.lifecycle import Step
from executor.rules.reducer import BrokerOrder
from executor.rules.slices import named
from shared.kite.sliced import SliceError
from shared.store.change import Change
from shared.store.rows import CommandRow, OrderRow
from shared.wire.orders import Cancel, Place, Reason
from shared.wire.steps import Told


async def record_slices(
    change: Change, row: CommandRow, taken: Taken, seen: Sequence[BrokerOrder]
) -> CommandRow:
    """Write the slices that were taken, those that were not; the placement is never sent again.

    `seen` is what the order book shows of them already. Where the order's policy says so, what was
    taken is cancelled, or an alert told.

    Raises:
        StoreError: the server refused or vanished.
    """
    await _link(change, row, taken)
    is_known = all(error.is_proof for error in taken.errors)
    linked = replace(
        row,
        order_id=row.order_id or taken.order_id,
        slices_refused=len(taken.errors) if is_known else None,
    )
    step = Step.ACCEPT_PART if taken.errors else Step.ACCEPT
    reason = _reason(taken.errors, is_known=is_known) if taken.errors else None
    after = await move(change, linked, step, reason=reason)
    if after is linked:
        await _answer_late(change, linked, reason)
    await sight(change, seen)
    if reason is None:
        return after
    after = (await change.commands([row.command_id]))[row.command_id]
    await _follow_policy(change, after, taken, reason)
    return after


async def _answer_late(change: Change, row: CommandRow, reason: Reason | None) -> None:
    """Write an answer that came after its orders were seen: now nothing more is to come."""
    await change.save(row, was=row.state)
    place = parse_command(row)
    if reason is not None and isinstance(place, Place) and row.is_open:
        await bring_together(change, replace(row, reason=reason), place, is_lost=True)


async def _link(change: Change, row: CommandRow, taken: Taken) -> None:
    known = await change.orders(taken.others)
    for order_id in taken.others:
        view = named(order_id, taken.order_id)
        if order_id in known:
            continue
        order = OrderRow(
            order_id=order_id,
            command_id=row.command_id,
            origin="OURS",
            status=view.status,
            is_terminal=False,
            filled=0,
            version=view.version,
            modifications=0,
            seen=reducer.dump(view),
            observed_us=0,
        )
        await change.save_order(order)


async def _follow_policy(change: Change, row: CommandRow, taken: Taken, reason: Reason) -> None:
    place = parse_command(row)
    assert isinstance(place, Place)
    if place.on_partial == "alert":
        ALERTS.labels(code=reason.code).inc()
        change.emit(tell(Told.ALERT, row, reason=reason), is_step=False)
    if place.on_partial == "cancel_rest":
        cancels = [
            Cancel(
                command_id=derived_id(row.command_id, f"cancel{number}"),
                strategy_id=row.strategy_id,
                order_id=order_id,
                variety=place.variety,
            )
            for number, order_id in enumerate((taken.order_id, *taken.others), start=1)
        ]
        await spawn(
            change, [new_command(each, parent_command_id=row.command_id) for each in cancels]
        )


def _reason(errors: Sequence[SliceError], *, is_known: bool) -> Reason:
    first = errors[0]
    return Reason(
        code="slices_refused" if is_known else "slices_unknown",
        sentence=f"{len(errors)} slices were not taken, the first: {first.message}",
        measured=str(len(errors)),
        limit="0",
    )
