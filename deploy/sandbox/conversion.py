"""Positions that change their product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from deploy.sandbox.refusals import bad_input

if TYPE_CHECKING:
    from deploy.sandbox.desk import Trade


def converted(trades: Sequence[Trade], form: Mapping[str, str], quantity: int) -> list[Trade]:
    """Return the trades with `quantity` units of a position under its new product.

    Raises:
        KiteRejected: the position is not that large, or not on that side.
    """
    wanted = form.get("exchange"), form.get("tradingsymbol"), form.get("old_product")
    side, new_product = form.get("transaction_type", ""), form.get("new_product", "")
    held = [trade for trade in trades if _name(trade) == wanted]
    net = sum(trade.quantity if _side(trade) == "BUY" else -trade.quantity for trade in held)
    if (net if side == "BUY" else -net) < quantity:
        raise bad_input("Position conversion quantity is more than the open quantity.")
    left, booked = quantity, []
    for trade in trades:
        part = min(left, trade.quantity) if trade in held and _side(trade) == side else 0
        left -= part
        if part:
            ticket = replace(trade.order.ticket, product=new_product)
            moved = replace(trade.order, ticket=ticket)
            booked.append(replace(trade, order=moved, quantity=part))
        if trade.quantity > part:
            booked.append(replace(trade, quantity=trade.quantity - part))
    return booked


def _name(trade: Trade) -> tuple[str, str, str]:
    ticket = trade.order.ticket
    return ticket.exchange, ticket.symbol, ticket.product


def _side(trade: Trade) -> str:
    return trade.order.ticket.side
