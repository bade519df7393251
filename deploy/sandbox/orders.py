"""An order's life at the broker, as values with the moves between its states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from deploy.sandbox.matching import Fill, Side
from shared.errors import IllegalTransition


class Status(StrEnum):
    """The broker's own words for where an order is."""

    AFTER_MARKET = "AMO REQ RECEIVED"
    RECEIVED = "PUT ORDER REQ RECEIVED"
    VALIDATION_PENDING = "VALIDATION PENDING"
    OPEN_PENDING = "OPEN PENDING"
    TRIGGER_PENDING = "TRIGGER PENDING"
    OPEN = "OPEN"
    MODIFY_VALIDATION_PENDING = "MODIFY VALIDATION PENDING"
    MODIFY_PENDING = "MODIFY PENDING"
    MODIFIED = "MODIFIED"
    CANCEL_PENDING = "CANCEL PENDING"
    COMPLETE = "COMPLETE"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


TERMINAL = frozenset({Status.COMPLETE, Status.REJECTED, Status.CANCELLED})
WORKING = frozenset({Status.OPEN, Status.TRIGGER_PENDING})
CHANGEABLE = WORKING | {Status.AFTER_MARKET}

_MOVES: dict[Status, frozenset[Status]] = {
    Status.AFTER_MARKET: frozenset({Status.AFTER_MARKET, Status.RECEIVED, Status.CANCELLED}),
    Status.RECEIVED: frozenset({Status.VALIDATION_PENDING, Status.REJECTED}),
    Status.VALIDATION_PENDING: frozenset({Status.OPEN_PENDING, Status.REJECTED}),
    Status.OPEN_PENDING: frozenset({Status.OPEN, Status.TRIGGER_PENDING, Status.REJECTED}),
    Status.TRIGGER_PENDING: frozenset(
        {Status.OPEN, Status.MODIFY_VALIDATION_PENDING, Status.CANCEL_PENDING, Status.CANCELLED}
    ),
    Status.OPEN: frozenset(
        {
            Status.COMPLETE,
            Status.MODIFY_VALIDATION_PENDING,
            Status.CANCEL_PENDING,
            Status.CANCELLED,
            Status.OPEN,
        }
    ),
    Status.MODIFY_VALIDATION_PENDING: frozenset({Status.MODIFY_PENDING}),
    Status.MODIFY_PENDING: frozenset({Status.MODIFIED}),
    Status.MODIFIED: frozenset({Status.OPEN, Status.TRIGGER_PENDING}),
    Status.CANCEL_PENDING: frozenset({Status.CANCELLED, Status.OPEN, Status.COMPLETE}),
    Status.COMPLETE: frozenset(),
    Status.REJECTED: frozenset(),
    Status.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Iceberg:
    """Which leg of how many a ticket is; quantities in units."""

    leg: int
    legs: int
    leg_quantity: int
    total: int

    @property
    def remaining(self) -> int:
        """Return what the legs after this one are to trade."""
        return max(self.total - self.leg * self.leg_quantity, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What was asked for; prices in paise, quantities in units."""

    variety: str
    exchange: str
    symbol: str
    token: int
    side: Side
    quantity: int
    product: str
    order_type: str
    price: int
    trigger_price: int
    validity: str
    validity_ttl: int
    disclosed_quantity: int
    market_protection: float
    tag: str | None
    tags: tuple[str, ...]
    iceberg: Iceberg | None = None
    auction_number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order at one moment; times in Unix seconds, `turnover` in paise times units."""

    order_id: str
    user_id: str
    ticket: Ticket
    status: Status
    placed_s: int
    updated_s: int
    visible_from_s: float = 0.0
    parent_order_id: str | None = None
    exchange_order_id: str | None = None
    exchange_s: int | None = None
    message: str | None = None
    message_raw: str | None = None
    filled: int = 0
    turnover: int = 0
    cancelled: int = 0
    modifications: int = 0

    @property
    def pending(self) -> int:
        """Return what neither traded nor was cancelled; a rejected order has nothing pending."""
        if self.status is Status.REJECTED:
            return 0
        return self.ticket.quantity - self.filled - self.cancelled

    @property
    def average(self) -> float:
        """Return the mean price of the fills in paise, 0 before the first."""
        return self.turnover / self.filled if self.filled else 0.0

    @property
    def is_terminal(self) -> bool:
        """Say whether nothing more can happen."""
        return self.status in TERMINAL


def advance(order: Order, status: Status, at_s: int) -> Order:
    """Return the order in its next state.

    Raises:
        IllegalTransition: an order in its present state never goes there.
    """
    if status not in _MOVES[order.status]:
        raise IllegalTransition(f"order {order.order_id} is {order.status}, never next {status}")
    cancelled = order.ticket.quantity - order.filled if status is Status.CANCELLED else 0
    return replace(order, status=status, updated_s=at_s, cancelled=cancelled)


def fill(order: Order, fills: tuple[Fill, ...], at_s: int) -> Order:
    """Return the order after trades: complete, or open with the rest.

    Raises:
        IllegalTransition: the order is not open, or the fills are more than was left.
    """
    quantity = sum(found.quantity for found in fills)
    if order.status is not Status.OPEN or quantity > order.pending:
        raise IllegalTransition(
            f"order {order.order_id} is {order.status} with {order.pending} left, "
            f"never filled by {quantity}"
        )
    turnover = order.turnover + sum(found.quantity * found.price for found in fills)
    done = replace(order, filled=order.filled + quantity, turnover=turnover, exchange_s=at_s)
    return advance(done, Status.COMPLETE if done.pending == 0 else Status.OPEN, at_s)


def refuse(order: Order, message: str, raw: str, at_s: int) -> Order:
    """Return the order rejected, with the reason a person reads beside the raw one."""
    return replace(advance(order, Status.REJECTED, at_s), message=message, message_raw=raw)
