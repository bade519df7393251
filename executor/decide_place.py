"""Whether a placement may leave."""

from __future__ import annotations

import msgspec

from executor.decision import Decision, EndUnsent, Refuse, Send, Wait
from executor.facts import Facts
from executor.guard import reducing_scope, refuse_place, refuse_trading
from executor.reducing import refuse_unless_reducing
from executor.risk import refuse_money, refuse_price, refuse_session, refuse_size, refuse_spent
from shared.wire.orders import Place, Reason


def decide_place(place: Place, facts: Facts) -> Decision:
    """Return what to do with a placement that has not been sent."""
    if facts.turn.reason is not None:
        return EndUnsent(facts.turn.reason)
    if facts.turn.waits:
        return Wait()
    reason = (
        refuse_trading(facts.switches.trading)
        or _refuse_adding(place, facts)
        or refuse_place(place, facts.instrument)
        or _refuse_risk(place, facts)
        or _refuse_day(place, facts)
        or facts.duplicate
    )
    if reason is not None:
        return Refuse(reason)
    if facts.runaway is not None:
        return Refuse(facts.runaway, holds_strategy=True)
    # An order that nobody can account for may stand in the book: no second one of its like.
    return Wait() if facts.switches.in_doubt else Send(variety=place.variety)


def _refuse_adding(place: Place, facts: Facts) -> Reason | None:
    scope = reducing_scope(facts.switches.trading)
    if scope:
        return refuse_unless_reducing(place, facts.exposure, scope)
    if not facts.is_exit:
        return None
    reason = refuse_unless_reducing(place, facts.exposure, "exit")
    return reason and msgspec.structs.replace(reason, code="exit_exceeds_position")


def _refuse_risk(place: Place, facts: Facts) -> Reason | None:
    risk, market = facts.limits.risk, facts.market
    return (
        refuse_session(place, market, risk)
        or refuse_size(place, risk, facts.instrument)
        or refuse_price(place, risk, market)
        or refuse_money(place, risk, market, facts.instrument)
    )


def _refuse_day(place: Place, facts: Facts) -> Reason | None:
    """Judge the day as a whole; what reduces may use the reserve, no limit of money holds it."""
    is_exit = facts.exposure is not None and not refuse_unless_reducing(place, facts.exposure, "")
    limits = facts.limits
    kept = 0 if is_exit else limits.placements_per_day_reserved
    refused = _refuse_count(facts.placements_today, limits.placements_per_day_max - kept)
    return refused or (None if is_exit else _refuse_spent(place, facts))


def _refuse_spent(place: Place, facts: Facts) -> Reason | None:
    return refuse_spent(place, facts.limits.risk, facts.spent, facts.market, facts.instrument)


def _refuse_count(sent_today: int, most: int) -> Reason | None:
    if sent_today < most:
        return None
    return Reason(
        code="day_limit",
        sentence=f"{sent_today} placements were sent today, the limit is {most}",
        measured=str(sent_today),
        limit=str(most),
    )


def is_exposure_needed(facts: Facts) -> bool:
    """Tell whether the decision depends on what is held of the instrument."""
    if facts.is_exit or reducing_scope(facts.switches.trading):
        return True
    return isinstance(facts.command, Place) and _refuse_day(facts.command, facts) is not None
