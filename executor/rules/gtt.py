"""Good-till-triggered orders: their rules, and how one of unknown outcome is found again; pure."""

from __future__ import annotations

from collections.abc import Sequence

from executor.rules.broker_rows import Row, decimal_of, gone, id_of, only_one, reason_of
from shared.wire.decimals import price_rule
from shared.wire.gtt import GttDelete, GttModify, GttPlace
from shared.wire.orders import Reason


def refuse_gtt(gtt: GttPlace | GttModify) -> Reason | None:
    """Return the first rule that a trigger breaks."""
    count = 1 if gtt.trigger_type == "single" else 2
    for field, values in (("trigger_values", gtt.trigger_values), ("orders", gtt.orders)):
        if len(values) != count:
            return reason_of(
                "trigger_count",
                field,
                f"a list of {len(values)}",
                f"a list of {count} with {gtt.trigger_type}",
            )
    prices = [(f"trigger_values[{n}]", each) for n, each in enumerate(gtt.trigger_values)]
    prices += [(f"orders[{n}].price", each.price) for n, each in enumerate(gtt.orders)]
    for field, price in (*prices, ("last_price", gtt.last_price)):
        if problem := price_rule(price):
            return reason_of("price_invalid", field, str(price), problem)
    first, last = gtt.trigger_values[0], gtt.trigger_values[-1]
    if count == 1:
        if first == gtt.last_price:
            limit = f"another price than the last one, {gtt.last_price}"
            return reason_of("trigger_at_price", "trigger_values[0]", str(first), limit)
        return None
    if not first < gtt.last_price < last:
        measured, limit = f"{first}, {last}", f"below and above the last price {gtt.last_price}"
        return reason_of("trigger_order", "trigger_values", measured, limit)
    return None


def find_gtt(
    write: GttPlace | GttModify | GttDelete,
    rows: Sequence[Row],
    *,
    sent_us: int,
    taken: frozenset[str],
) -> str | None:
    """Return the trigger_id of what a command led to, None where nothing, or two, can be it.

    There is no tag: content and time decide, among triggers that belong to no other command.
    """
    if isinstance(write, GttDelete):
        return gone(rows, "id", str(write.trigger_id), living=("active",))
    alike = [row for row in rows if is_trigger(write, row)]
    if isinstance(write, GttPlace):
        return only_one(alike, "id", "created_at", sent_us, taken)
    wanted = str(write.trigger_id)
    return wanted if wanted in [id_of(row, "id") for row in alike] else None


def is_trigger(write: GttPlace | GttModify, row: Row) -> bool:
    """Tell whether a row of the broker's says what a write asked for."""
    condition = row.get("condition") or {}
    values = [decimal_of(each) for each in condition.get("trigger_values") or ()]
    orders = [
        (
            *(each.get("transaction_type"), each.get("quantity"), each.get("product")),
            decimal_of(each.get("price")),
        )
        for each in row.get("orders") or ()
    ]
    wanted = [
        (each.transaction_type, each.quantity, each.product, each.price) for each in write.orders
    ]
    return (
        row.get("type") == write.trigger_type
        and condition.get("exchange") == write.exchange
        and condition.get("tradingsymbol") == write.tradingsymbol
        and values == list(write.trigger_values)
        and orders == wanted
    )
