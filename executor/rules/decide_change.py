"""Whether a modify or a cancel may leave, and to which order."""

from __future__ import annotations

from executor.rules.changing import refuse_change
from executor.rules.decision import Decision, EndBoth, Refuse, Send, Spread, Supersede, Wait
from executor.rules.facts import Facts
from executor.rules.families import cancels_of
from executor.rules.guard import CHANGES, reducing_scope, refuse_modify, refuse_trading
from executor.rules.lifecycle import UNSENT, is_open
from executor.rules.reducer import BrokerOrder
from executor.rules.reducing import raises_risk, refuse_modify_unless_reducing
from executor.rules.risk import lacks_loss, refuse_loss
from executor.rules.targets import (
    IN_DOUBT,
    NOT_A_PLACEMENT,
    UNKNOWN_ORDER,
    UNKNOWN_PLACEMENT,
    UNREAD_PLACEMENT,
    ended,
    refuse_naming,
)
from executor.rules.throttled import is_unread
from executor.rules.waits import UNRECKONED, why_held
from shared.store.rows import CommandRow
from shared.wire.orders import Cancel, Modify, Reason, State


def decide_modify(modify: Modify, facts: Facts) -> Decision:
    """Return what to do with a modify that has not been sent."""
    switches = facts.switches.trading
    reason = refuse_trading(switches) or refuse_naming(modify)
    if reason is not None:
        return Refuse(reason)
    latest = next((each for each in reversed(facts.later) if covers(each, modify)), None)
    if latest is not None:
        return Supersede(latest.command_id)
    if facts.placement is not None and facts.placement.state in UNSENT:
        return Wait()
    target = _target(facts, modify)
    if not isinstance(target, Send):
        return target
    if facts.order is None:
        return Wait() if facts.placement is not None else Refuse(UNKNOWN_ORDER)
    refused = _refuse(modify, facts.order, facts)
    return Refuse(refused) if refused else _unless_held(modify, facts.order, facts, target)


def _refuse(modify: Modify, order: BrokerOrder, facts: Facts) -> Reason | None:
    scope = reducing_scope(facts.switches.trading)
    if scope and (reason := refuse_modify_unless_reducing(modify, order, facts.exposure, scope)):
        return reason
    risk, instrument = facts.limits.risk, facts.instrument
    return (
        refuse_modify(
            modify,
            order,
            modifications=facts.modifications,
            modifications_max=facts.limits.modifications_max,
            instrument=instrument,
        )
        or refuse_change(
            modify,
            order,
            risk=risk,
            spent=facts.spent,
            market=facts.market,
            instrument=instrument,
        )
        or (refuse_loss(risk, facts.spent) if _is_adding(modify, order, facts) else None)
    )


def _unless_held(modify: Modify, order: BrokerOrder, facts: Facts, target: Send) -> Send | Wait:
    """Let a change wait for the book after a 429, one that may add risk for what is not known yet.

    That is what became of another order of its side and instrument, or what the day has cost.
    """
    is_unknown = facts.switches.in_doubt or lacks_loss(facts.limits.risk, facts.spent)
    is_held = is_unread(facts) or (is_unknown and _is_adding(modify, order, facts))
    return Wait(reason=why_held(facts) or UNRECKONED) if is_held else target


def _is_adding(modify: Modify, order: BrokerOrder, facts: Facts) -> bool:
    """Tell whether a change may add to what is held, as far as anybody knows."""
    if not raises_risk(modify, order):
        return False
    return refuse_modify_unless_reducing(modify, order, facts.exposure, "") is not None


def covers(later: Modify, earlier: Modify) -> bool:
    """Tell whether a later modify sets whatever the earlier one would."""
    return all(
        getattr(later, name) is not None for name in CHANGES if getattr(earlier, name) is not None
    )


def decide_cancel(cancel: Cancel, facts: Facts) -> Decision:
    """Return what to do with a cancel that has not been sent."""
    reason = refuse_naming(cancel)
    if reason is not None:
        return Refuse(reason)
    if cancel.target_command_id is not None and facts.placement is None:
        waited_us = facts.now_us - facts.row.received_us
        is_over = waited_us >= facts.limits.target_wait_us
        return Refuse(UNREAD_PLACEMENT) if is_over else Wait(bury=True)
    if facts.placement is not None and facts.placement.state in UNSENT:
        return EndBoth(facts.placement)
    # One that names an order_id means that order alone.
    is_of_all = cancel.target_command_id is not None
    if is_of_all and (facts.members or len(facts.orders) > 1):
        cancels = cancels_of(cancel, facts.members, facts.orders)
        return Spread(tuple(cancels)) if cancels else Refuse(ended("ended"))
    return _target(facts, cancel)


def _target(facts: Facts, command: Modify | Cancel) -> Decision:
    """Say which order a modify or cancel goes to, or why to none."""
    placement, order = facts.placement, facts.order
    if command.target_command_id is not None and placement is None:
        return Refuse(UNKNOWN_PLACEMENT)
    if placement is not None and placement.kind != "place":
        return Refuse(NOT_A_PLACEMENT)
    if (order is not None and order.is_terminal) or _has_ended(placement):
        state = order.status if order is not None else str(placement and placement.state)
        return Refuse(ended(state))
    order_id = command.order_id or (placement and placement.order_id)
    if order_id:
        return _send_to(order_id, order, command)
    if placement is not None and placement.state is State.MANUAL:
        return Refuse(IN_DOUBT)
    return Wait()


def _send_to(order_id: str, order: BrokerOrder | None, command: Modify | Cancel) -> Send:
    if order is None:
        return Send(order_id=order_id, variety=command.variety)
    # Only the second leg of a cover order is named together with the first.
    parent = (order.parent_order_id or "") if order.variety == "co" else ""
    return Send(order_id=order_id, variety=order.variety, parent_order_id=parent)


def _has_ended(placement: CommandRow | None) -> bool:
    if placement is None or placement.state is State.MANUAL:
        return False
    return not is_open(placement.kind, placement.state)
