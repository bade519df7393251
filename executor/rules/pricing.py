"""Whether a rule measures a command against the last price, and how long it may wait for one."""

from __future__ import annotations

from executor.rules.changing import Changed, changed
from executor.rules.facts import Facts
from executor.rules.reducing import (
    raises_risk,
    refuse_modify_unless_reducing,
    refuse_unless_reducing,
)
from executor.rules.risk import PRICED, Judged, Risk
from shared.wire.orders import Modify, Place


def needs_price(what: Judged, risk: Risk) -> bool:
    """Tell whether a limit measures this order against the last price."""
    if risk.is_price_needed:
        return True
    if what.order_type in PRICED and what.price:
        return bool(risk.price_band_percent)
    # A trigger says what an order is worth where it has no price of its own.
    return bool(risk.order_notional_max or risk.day_turnover_max) and not what.trigger_price


def asks_price(facts: Facts) -> Place | Changed | None:
    """Return what of a command waits for its price, None where it does not wait.

    What certainly takes risk away never does, unless it would be refused for want of a price.
    """
    command, order, risk = facts.command, facts.order, facts.limits.risk
    if isinstance(command, Place):
        is_out = facts.exposure is not None and not refuse_unless_reducing(
            command, facts.exposure, ""
        )
        may_wait = not facts.is_exit and (risk.is_price_needed or not is_out)
        return command if may_wait and needs_price(command, risk) else None
    if not isinstance(command, Modify) or order is None or not raises_risk(command, order):
        return None
    is_out = command.is_exit or not refuse_modify_unless_reducing(
        command, order, facts.exposure, ""
    )
    after = changed(command, order)
    may_wait = risk.is_price_needed or not is_out
    return after if may_wait and needs_price(after, risk) else None


def patience_s(limit_s: float, valid_until_us: int | None, now_us: int) -> float:
    """Return how long a command waits: no longer than half of what its validity leaves."""
    if valid_until_us is None:
        return limit_s
    return max(0.0, min(limit_s, (valid_until_us - now_us) / 2e6))
