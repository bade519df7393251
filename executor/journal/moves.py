"""One step of a command, written with the event that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from executor.journal.telling import tell
from executor.metrics import HANDED_OVER, HELD
from executor.rules.lifecycle import Step, advance, is_open
from executor.rules.reducer import BrokerOrder
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.wire.orders import Reason
from shared.wire.steps import Told

_TOLD: Final[Mapping[Step, Told]] = {
    Step.REFUSE: Told.REFUSED,
    Step.EXPIRE: Told.EXPIRED,
    Step.END_UNSENT: Told.ENDED_UNSENT,
    Step.SPREAD: Told.ACCEPTED,
    Step.APPLY: Told.ACCEPTED,
    Step.SEND: Told.SENDING,
    Step.ACCEPT: Told.ACCEPTED,
    Step.ACCEPT_PART: Told.PARTIALLY_ACCEPTED,
    Step.REJECT: Told.REJECTED,
    Step.NOT_SENT: Told.NOT_SENT,
    Step.LOSE: Told.UNKNOWN,
    Step.REISSUE: Told.REISSUED,
    Step.GIVE_UP: Told.MANUAL,
    Step.PARTS_COMPLETE: Told.UPDATED,
    Step.PARTS_MIXED: Told.UPDATED,
    Step.PARTS_CANCELLED: Told.UPDATED,
    Step.PARTS_REFUSED: Told.REJECTED,
    Step.SEEN_ENTERING: Told.UPDATED,
    Step.SEEN_PART: Told.UPDATED,
    Step.SEEN_OPEN: Told.UPDATED,
    Step.SEEN_COMPLETE: Told.UPDATED,
    Step.SEEN_CANCELLED: Told.UPDATED,
    Step.SEEN_REJECTED: Told.UPDATED,
}


async def hold_strategy(change: Change, row: CommandRow, reason: Reason) -> None:
    """Let the row's strategy send nothing new until a person says otherwise.

    Raises:
        StoreError: the server refused or vanished.
    """
    if await change.reduce_strategy(row.strategy_id, sentence=reason.sentence):
        HELD.labels(rule=reason.code).inc()
        change.emit(tell(Told.REDUCED, row, reason=reason), is_step=False)


_ANSWERS: Final = frozenset({Step.ACCEPT, Step.ACCEPT_PART, Step.REJECT, Step.NOT_SENT, Step.LOSE})


async def move(
    change: Change,
    row: CommandRow,
    step: Step,
    *,
    reason: Reason | None = None,
    order: BrokerOrder | None = None,
) -> CommandRow:
    """Write the command after the step; a late answer writes nothing.

    `row` may already carry a new tag, order_id, attempts or sending_us; its state is the old one.

    Raises:
        IllegalTransition: the life cycle has no such move.
        StoreError: the server refused or vanished.
    """
    state = advance(row.kind, row.state, step)
    if step in _ANSWERS and state is row.state:
        return row
    after = replace(
        row,
        state=state,
        is_open=is_open(row.kind, state),
        reason=reason,
        changed_us=change.at_us,
    )
    await change.save(after, was=row.state)
    if step is Step.GIVE_UP:
        HANDED_OVER.inc()
    told = _TOLD[step]
    if step is Step.SEEN_ENTERING and state is not row.state:
        told = Told.ACCEPTED
    change.emit(tell(told, after, order=order, reason=reason))
    return after
