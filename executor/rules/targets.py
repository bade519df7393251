"""Why a modify or a cancel finds no order to go to."""

from __future__ import annotations

from typing import Final

from shared.wire.orders import Cancel, Modify, Reason


def refuse_naming(command: Modify | Cancel) -> Reason | None:
    """Return why a command names no order, or two."""
    if (command.target_command_id is None) != (command.order_id is None):
        return None
    given = "both" if command.order_id is not None else "neither"
    return Reason(
        code="target_ambiguous",
        sentence=f"exactly one of target_command_id and order_id is needed, {given} given",
        field="target_command_id",
        measured=given,
        limit="one",
    )


def ended(state: str) -> Reason:
    """Return that the order has ended, and how."""
    return Reason(
        code="target_ended", sentence=f"the order is {state} already", measured=state, limit="open"
    )


UNKNOWN_PLACEMENT: Final = Reason(
    code="target_unknown",
    sentence="no placement with this target_command_id has been read",
    field="target_command_id",
)
UNREAD_PLACEMENT: Final = Reason(
    code="target_unknown",
    sentence="no placement with this target_command_id was read in time; should it still come, "
    "it will not be sent",
    field="target_command_id",
)
UNKNOWN_ORDER: Final = Reason(
    code="target_unknown", sentence="no order with this order_id has been seen", field="order_id"
)
NOT_A_PLACEMENT: Final = Reason(
    code="target_not_a_placement",
    sentence="target_command_id names a modify or a cancel",
    field="target_command_id",
)
IN_DOUBT: Final = Reason(
    code="target_manual",
    sentence="nobody knows whether the order exists; a person has to look",
    field="target_command_id",
)
