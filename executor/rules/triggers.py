"""What a trigger would place, judged before it is left at the broker. Pure.

Nothing of ours stands between a trigger that fires and the order it makes, so that its size, its
worth and its instrument are judged when it is left. The day's limits count the order once it is
seen; its price is meant for another market than the one of now.
"""

from __future__ import annotations

from msgspec.structs import replace

from executor.rules.changing import Changed
from executor.rules.guard import Instrument, refuse_steps
from executor.rules.risk import Market, Risk, refuse_money, refuse_size
from executor.rules.scope import refuse_scope
from shared.wire.gtt import GttModify, GttOrder, GttPlace
from shared.wire.orders import Reason


def refuse_trigger(
    gtt: GttPlace | GttModify, *, risk: Risk, market: Market, instrument: Instrument | None
) -> Reason | None:
    """Return which limit one of the trigger's orders would break, its field by number."""
    for number, order in enumerate(gtt.orders):
        left = _left(gtt, order)
        reason = (
            refuse_scope(gtt.exchange, gtt.tradingsymbol, order.product, risk)
            or refuse_steps(order.quantity, (order.price, None), instrument, gtt.exchange)
            or refuse_size(left, risk, instrument)
            or refuse_money(left, risk, market, instrument)
        )
        if reason is None:
            continue
        if reason.field == "tradingsymbol":
            return reason
        return replace(reason, field=f"orders[{number}].{reason.field}")
    return None


def _left(gtt: GttPlace | GttModify, order: GttOrder) -> Changed:
    return Changed(
        exchange=gtt.exchange,
        variety="regular",
        transaction_type=order.transaction_type,
        order_type=order.order_type,
        quantity=order.quantity,
        price=order.price,
        trigger_price=None,
    )
