"""Which commands a command is carried out by, or why it is refused; pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from executor.rules.families import exit_order, legs_of
from executor.rules.guard import Instrument, refuse_place
from executor.rules.reducing import Exposure
from executor.rules.units import counted
from shared.wire.families import Basket, Exit
from shared.wire.orders import Place, Reason


def spread_exit(command: Exit, exposure: Exposure | None) -> Place | Reason:
    """Return the placement that closes the position, as far as nothing else may close it."""
    if exposure is None:
        return _UNKNOWN
    if not exposure.position:
        what = f"{command.exchange}:{command.tradingsymbol} {command.product}"
        return Reason(
            code="no_position",
            sentence=f"there is no position in {what}",
            field="tradingsymbol",
            measured="0",
            limit="a position",
        )
    exchange = command.exchange
    left = max(0, abs(exposure.position) - exposure.on_the_way)
    quantity = command.quantity or left
    if not left or quantity > left:
        return Reason(
            code="exit_exceeds_position",
            sentence=f"the position is {counted(exposure.position, exchange)}, "
            f"{counted(exposure.on_the_way, exchange)} on the way out of it, so at most "
            f"{counted(left, exchange)} can be closed, not {counted(quantity, exchange)}",
            field="quantity",
            measured=str(quantity),
            limit=f"at most {left}",
        )
    return exit_order(command, side="SELL" if exposure.position > 0 else "BUY", quantity=quantity)


def spread_basket(basket: Basket, instruments: Sequence[Instrument | None]) -> list[Place] | Reason:
    """Return the legs; where they hang together, one that breaks a rule refuses them all."""
    legs = legs_of(basket)
    if basket.policy == "independent":
        return legs
    for number, (leg, instrument) in enumerate(zip(legs, instruments, strict=True)):
        reason = refuse_place(leg, instrument)
        if reason is not None:
            field = f"legs[{number}].{reason.field}"
            return msgspec.structs.replace(
                reason, field=field, sentence=f"legs[{number}]: {reason.sentence}"
            )
    return legs


_UNKNOWN = Reason(
    code="position_unknown",
    sentence="no recent reading of the positions is known, so nothing says what there is to close",
    field="tradingsymbol",
    measured="unknown",
    limit="a known position",
)
