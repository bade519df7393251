"""What becomes of a command through the commands that were made for it.

Pure: values in, values out. A family's state is worked out from its members' rows each time, so
that a crash between any two of its steps leaves nothing to be repaired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from executor.rules.derived import derived_id
from executor.rules.lifecycle import Step, is_open
from executor.rules.reducer import BrokerOrder
from shared.store.rows import CommandRow
from shared.wire.families import Basket, Exit
from shared.wire.orders import Cancel, Command, Place, Reason, State

#: Kinds that never go to the broker themselves.
KINDS: Final = ("basket", "exit")
EXIT_NAME: Final = "exit"

_FAILED: Final = frozenset(
    {State.REFUSED, State.EXPIRED, State.REJECTED, State.CANCELLED, State.CONFLICT}
)
_TAKEN: Final = frozenset({State.ACCEPTED, State.OPEN, State.COMPLETE})
_SAID_NO: Final = frozenset({State.REFUSED, State.EXPIRED, State.REJECTED, State.CONFLICT})


class Turn(msgspec.Struct, frozen=True):
    """Whether a leg may leave: not yet where it `waits`, never where there is a `reason`."""

    waits: bool = False
    reason: Reason | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a family is: the step of its parent, if any, and what is to be cancelled."""

    step: Step | None = None
    reason: Reason | None = None
    to_cancel: tuple[CommandRow, ...] = ()


def legs_of(basket: Basket) -> list[Place]:
    """Return the placements of a basket."""
    return [
        msgspec.convert(
            {
                **msgspec.structs.asdict(leg),
                "kind": "place",
                "command_id": derived_id(basket.command_id, str(number)),
                "strategy_id": basket.strategy_id,
                "valid_until_us": basket.valid_until_us,
            },
            Place,
        )
        for number, leg in enumerate(basket.legs, start=1)
    ]


def exit_order(command: Exit, *, side: str, quantity: int) -> Place:
    """Return the placement that closes `quantity` of a position."""
    is_market = command.order_type == "MARKET"
    return msgspec.convert(
        {
            "kind": "place",
            "command_id": derived_id(command.command_id, EXIT_NAME),
            "strategy_id": command.strategy_id,
            "valid_until_us": command.valid_until_us,
            "exchange": command.exchange,
            "tradingsymbol": command.tradingsymbol,
            "transaction_type": side,
            "quantity": quantity,
            "product": command.product,
            "order_type": command.order_type,
            "price": command.price,
            "validity": command.validity,
            "market_protection": command.market_protection if is_market else None,
            "algo_id": command.algo_id,
            "autoslice": command.autoslice,
            "on_partial": command.on_partial,
        },
        Place,
    )


def cancels_of(
    cancel: Cancel, members: Sequence[CommandRow], orders: Sequence[BrokerOrder]
) -> list[Cancel]:
    """Return a cancel for each living member of a family, for each living order of a placement."""
    targets = [
        {"target_command_id": row.command_id}
        for row in members
        if row.kind == "place" and is_open(row.kind, row.state)
    ]
    targets += [{"order_id": order.order_id} for order in orders if not order.is_terminal]
    return [
        msgspec.structs.replace(
            cancel,
            **{"target_command_id": None, "order_id": None, **target},
            command_id=derived_id(cancel.command_id, str(number)),
        )
        for number, target in enumerate(targets, start=1)
    ]


def turn_of(basket: Basket, leg_id: str, members: Mapping[str, CommandRow]) -> Turn:
    """Return whether a leg may leave, given the rows of all legs."""
    ids = [derived_id(basket.command_id, str(n)) for n in range(1, len(basket.legs) + 1)]
    if basket.policy == "independent":
        return Turn()
    before = ids[: ids.index(leg_id)] if basket.policy == "sequential" else ids
    rows = [members[each] for each in before if each in members]
    failed = next((row for row in rows if _has_failed(row)), None)
    if failed is not None and failed.command_id != leg_id:
        return Turn(reason=_failed(failed))
    if basket.policy == "all_or_cancel_rest":
        return Turn()
    enough = _TAKEN if basket.advance_on == "accepted" else {State.COMPLETE}
    return Turn(waits=any(row.state not in enough for row in rows))


def progress_of(command: Command, members: Mapping[str, CommandRow]) -> Progress:
    """Return what the members' states mean to the command that they were made for."""
    if isinstance(command, Cancel):
        return _cancelled(list(members.values()))
    rows = [row for row in members.values() if row.kind == "place"]
    to_cancel: tuple[CommandRow, ...] = ()
    hangs_together = isinstance(command, Basket) and command.policy == "all_or_cancel_rest"
    if hangs_together and any(_has_failed(row) for row in rows):
        to_cancel = tuple(row for row in rows if is_open("place", row.state))
    if any(is_open("place", row.state) for row in rows):
        return Progress(to_cancel=to_cancel)
    return _ended(rows)


def _ended(rows: Sequence[CommandRow]) -> Progress:
    states = {row.state for row in rows}
    if State.MANUAL in states:
        return Progress(Step.GIVE_UP, _MANUAL)
    if states == {State.COMPLETE}:
        return Progress(Step.PARTS_COMPLETE)
    failed = next(row for row in rows if row.state is not State.COMPLETE)
    if State.COMPLETE in states:
        return Progress(Step.PARTS_MIXED, _failed(failed))
    step = Step.PARTS_REFUSED if states <= _SAID_NO else Step.PARTS_CANCELLED
    return Progress(step, failed.reason)


def _cancelled(rows: Sequence[CommandRow]) -> Progress:
    if any(is_open("cancel", row.state) for row in rows):
        return Progress()
    states = {row.state for row in rows}
    if State.MANUAL in states:
        return Progress(Step.GIVE_UP, _MANUAL)
    if states == {State.CANCELLED}:
        return Progress(Step.SEEN_CANCELLED)
    other = next(row for row in rows if row.state is not State.CANCELLED)
    return Progress(Step.SEEN_REJECTED, other.reason)


def _has_failed(row: CommandRow) -> bool:
    return row.state in _FAILED or row.state is State.PARTIALLY_ACCEPTED


def _failed(row: CommandRow) -> Reason:
    why = f": {row.reason.sentence}" if row.reason is not None else ""
    return Reason(
        code="leg_failed",
        sentence=f"{row.command_id} is {row.state}{why}",
        measured=row.command_id,
    )


_MANUAL: Final = Reason(
    code="leg_manual", sentence="nobody knows what became of a part of it; a person has to look"
)
