"""What the account's event stream says of a command's steps."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from executor.rules.reducer import BrokerOrder
from executor.rules.units import counted
from shared.store.rows import CommandRow, Encoding
from shared.wire.codec import decode
from shared.wire.orders import Command, OrderEvent, Place, Reason, State
from shared.wire.steps import Told

#: Commands remembered as they were parsed.
_PARSED_MAX: Final = 1024


def parse_command(row: CommandRow) -> Command:
    """Return the command as it was claimed.

    Raises:
        MessageError: the journal's bytes are not a command of this release.
    """
    return _parsed(row.encoding, row.payload)


# Each step of a command asks for it, and commands are frozen.
@lru_cache(maxsize=_PARSED_MAX)
def _parsed(encoding: Encoding, payload: bytes) -> Command:
    command: Command = decode({encoding.encode(): payload}, Command)
    return command


def tell(
    told: Told, row: CommandRow, *, order: BrokerOrder | None = None, reason: Reason | None = None
) -> OrderEvent:
    """Return the event of a command's step; number, account and time are the journal's to fill."""
    event = OrderEvent(
        sequence=0,
        account="",
        command_id=row.command_id,
        kind=row.kind,
        event=told,
        state=row.state,
        at_us=0,
        strategy_id=row.strategy_id,
        tag=row.tag or "",
        order_id=row.order_id or "",
        reason=reason,
        parent_command_id=row.parent_command_id or "",
    )
    if order is not None:
        return _with_order(event, order)
    return _with_command(event, parse_command(row))


def tell_malformed(command_id: str, *, is_known: bool, reason: Reason) -> OrderEvent:
    """Return the event of an entry that is no command; a known command_id keeps its own state."""
    return OrderEvent(
        sequence=0,
        account="",
        command_id=command_id,
        kind="",
        event=Told.CONFLICT if is_known else Told.REFUSED,
        state=State.CONFLICT if is_known else State.REFUSED,
        at_us=0,
        reason=reason,
    )


def tell_disagreement(
    exchange: str, tradingsymbol: str, *, traded: int, changed: int
) -> OrderEvent:
    """Return the event of a position that is not what the day's trades make it; of no command."""
    reason = Reason(
        code="positions_disagree",
        sentence=f"{exchange}:{tradingsymbol}: the day's trades come to "
        f"{counted(traded, exchange)}, its positions changed by {counted(changed, exchange)}; "
        "a person has to look",
        measured=str(changed),
        limit=str(traded),
    )
    return OrderEvent(
        sequence=0,
        account="",
        command_id="",
        kind="",
        event=Told.DISAGREEING,
        state=State.MANUAL,
        at_us=0,
        exchange=exchange,
        tradingsymbol=tradingsymbol,
        reason=reason,
    )


def tell_again(last: OrderEvent) -> OrderEvent:
    """Return the newest event once more, for whoever repeated the command."""
    return msgspec.structs.replace(last, event=Told.REPLAYED)


def _with_command(event: OrderEvent, command: Command) -> OrderEvent:
    if isinstance(command, Place):
        event = msgspec.structs.replace(event, quantity=command.quantity)
    return msgspec.structs.replace(
        event,
        exchange=getattr(command, "exchange", ""),
        tradingsymbol=getattr(command, "tradingsymbol", ""),
        transaction_type=getattr(command, "transaction_type", ""),
    )


def _with_order(event: OrderEvent, order: BrokerOrder) -> OrderEvent:
    return msgspec.structs.replace(
        event,
        order_id=order.order_id,
        exchange=order.exchange,
        tradingsymbol=order.tradingsymbol,
        transaction_type=order.transaction_type,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        pending_quantity=order.pending_quantity,
        cancelled_quantity=order.cancelled_quantity,
        average_price=format(order.average_price, "f") if order.filled_quantity else "",
        broker_status=order.status,
        broker_message=order.status_message or "",
        version=order.version,
        accepted_quantity=order.accepted_quantity,
    )
