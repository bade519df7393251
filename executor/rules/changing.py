"""An order as a modify would leave it, judged where the change raises what may be lost."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from executor.rules.guard import CHANGES, Instrument
from executor.rules.reducer import BrokerOrder
from executor.rules.reducing import raises_risk
from executor.rules.risk import (
    Market,
    Risk,
    Spent,
    notional_of,
    refuse_money,
    refuse_price,
    refuse_session,
    refuse_size,
    refuse_spent,
)
from shared.wire.orders import Modify, Reason


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What of the order is judged."""

    exchange: str
    variety: str
    transaction_type: str
    order_type: str
    quantity: int
    price: Decimal | None
    trigger_price: Decimal | None
    #: What was cut up before is modified piece by piece.
    autoslice: bool = False
    iceberg_quantity: int | None = None


def changed(modify: Modify, order: BrokerOrder) -> Changed:
    """Return the order as it would be."""
    return Changed(
        exchange=order.exchange,
        variety=order.variety,
        transaction_type=order.transaction_type,
        order_type=modify.order_type or order.order_type,
        quantity=modify.quantity or order.quantity,
        price=modify.price if modify.price is not None else order.price or None,
        trigger_price=modify.trigger_price
        if modify.trigger_price is not None
        else order.trigger_price or None,
    )


def as_it_is(order: BrokerOrder) -> Changed:
    """Return the order as a change of nothing would leave it."""
    return changed(_NOTHING, order)


def refuse_change(
    modify: Modify,
    order: BrokerOrder,
    *,
    risk: Risk,
    spent: Spent,
    market: Market,
    instrument: Instrument | None,
) -> Reason | None:
    """Return which limit the changed order would break; a change that lowers risk breaks none."""
    if not raises_risk(modify, order):
        return None
    after = changed(modify, order)
    return (
        refuse_session(after, market, risk)
        or refuse_size(after, risk, instrument)
        or refuse_price(after, risk, market)
        or refuse_money(after, risk, market, instrument)
        or refuse_spent(after, risk, _without(order, spent, market, instrument), market, instrument)
    )


def _without(
    order: BrokerOrder, spent: Spent, market: Market, instrument: Instrument | None
) -> Spent:
    """Return what the day has spent but for this order, which the changed one replaces."""
    before = notional_of(as_it_is(order), market.last_price, instrument)
    return msgspec.structs.replace(
        spent, quantity=spent.quantity - order.quantity, turnover=spent.turnover - before
    )


def is_in_effect(modify: Modify, order: BrokerOrder) -> bool:
    """Tell whether the order is as the modify wanted it, as far as the book shows."""
    wanted = {name: getattr(modify, name) for name in CHANGES if name != "market_protection"}
    return all(value is None or getattr(order, name) == value for name, value in wanted.items())


_NOTHING = Modify(command_id="no-change")
