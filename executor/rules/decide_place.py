"""Whether a placement may leave."""

from __future__ import annotations

import msgspec

from executor.rules.decision import Decision, EndUnsent, Refuse, Send, Wait
from executor.rules.facts import Facts
from executor.rules.guard import reducing_scope, refuse_place, refuse_trading
from executor.rules.reducing import refuse_unless_reducing
from executor.rules.risk import (
    Risk,
    lacks_loss,
    refuse_loss,
    refuse_money,
    refuse_price,
    refuse_session,
    refuse_size,
    refuse_spent,
)
from executor.rules.scope import refuse_scope
from executor.rules.throttled import is_unread
from executor.rules.waits import UNRECKONED, why_held
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
    is_held = facts.switches.in_doubt or is_unread(facts) or _is_unreckoned(place, facts)
    return Wait(reason=why_held(facts) or UNRECKONED) if is_held else Send(variety=place.variety)


def _is_unreckoned(place: Place, facts: Facts) -> bool:
    """Tell whether the day's loss is to be known before anything but an exit leaves."""
    return lacks_loss(facts.limits.risk, facts.spent) and not _is_reducing(place, facts)


def _is_reducing(place: Place, facts: Facts) -> bool:
    return facts.exposure is not None and not refuse_unless_reducing(place, facts.exposure, "")


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
    scope = None if facts.is_exit else _refuse_scope(place, risk)
    if facts.is_exit:
        # What was held before its owner thought otherwise may be left, at a price nobody knows too.
        risk = msgspec.structs.replace(risk, is_price_needed=False)
    return (
        scope
        or refuse_session(place, market, risk)
        or refuse_size(place, risk, facts.instrument)
        or refuse_price(place, risk, market)
        or refuse_money(place, risk, market, facts.instrument)
    )


def _refuse_scope(place: Place, risk: Risk) -> Reason | None:
    return refuse_scope(place.exchange, place.tradingsymbol, place.product, risk)


def _refuse_day(place: Place, facts: Facts) -> Reason | None:
    """Judge the day as a whole; what reduces may use the reserve, no limit of money holds it."""
    is_exit = _is_reducing(place, facts)
    limits = facts.limits
    kept = 0 if is_exit else limits.placements_per_day_reserved
    refused = _refuse_count(facts.placements_today, limits.placements_per_day_max - kept)
    return refused or (None if is_exit else _refuse_spent(place, facts))


def _refuse_spent(place: Place, facts: Facts) -> Reason | None:
    lost = refuse_loss(facts.limits.risk, facts.spent)
    return lost or refuse_spent(
        place, facts.limits.risk, facts.spent, facts.market, facts.instrument
    )


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
    if lacks_loss(facts.limits.risk, facts.spent):
        return True
    if isinstance(facts.command, Place):
        return _refuse_day(facts.command, facts) is not None
    lost = refuse_loss(facts.limits.risk, facts.spent)
    return lost is not None or facts.switches.in_doubt is not None
