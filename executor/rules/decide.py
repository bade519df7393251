"""What is to be done with a claimed command, given all that is known."""

from __future__ import annotations

from executor.rules.decide_change import decide_cancel, decide_modify
from executor.rules.decide_place import decide_place
from executor.rules.decision import Decision, Expire, Refuse, Send, Spread
from executor.rules.facts import Facts
from executor.rules.guard import is_expired, reducing_scope, refuse_trading
from executor.rules.spreading import spread_basket, spread_exit
from executor.rules.triggers import refuse_trigger
from executor.rules.writes import ENDING, refuse_write, subject_of
from shared.kite.writes import Write
from shared.wire.families import Basket, Exit
from shared.wire.gtt import Convert, GttModify, GttPlace
from shared.wire.orders import Cancel, Modify, Place, Reason
from shared.wire.switching import Halt, Reduce, Resume


def decide(facts: Facts) -> Decision:
    """Return what to do with a command that has not been sent."""
    if is_expired(facts.row.valid_until_us, facts.now_us):
        return Expire()
    match facts.command:
        case Place() as place:
            return decide_place(place, facts)
        case Modify() as modify:
            return decide_modify(modify, facts)
        case Cancel() as cancel:
            return decide_cancel(cancel, facts)
        case other:
            return _decide_other(other, facts)


def _decide_other(
    command: Exit | Basket | Halt | Reduce | Resume | Write, facts: Facts
) -> Decision:
    match command:
        case Exit() as leaving:
            return _decide_spread(facts, spread_exit(leaving, facts.exposure))
        case Basket() as basket:
            return _decide_spread(facts, spread_basket(basket, facts.instruments))
        case Halt() | Reduce() | Resume():
            return Expire()  # it takes effect when it is claimed, or never
        case write:
            return _decide_write(write, facts)


def _decide_write(write: Write, facts: Facts) -> Decision:
    reason = refuse_write(write, has_funds=facts.limits.has_funds)
    if reason is None and isinstance(write, GttPlace | GttModify):
        reason = refuse_trigger(
            write,
            risk=facts.limits.risk,
            market=facts.market,
            instrument=facts.instrument,
        )
    if reason is None and facts.row.kind not in ENDING:
        reason = refuse_trading(facts.switches.trading) or _refuse_new_risk(write, facts)
    return Refuse(reason) if reason else Send(order_id=subject_of(write))


def _refuse_new_risk(write: Write, facts: Facts) -> Reason | None:
    """Return why nothing may be left to be bought later while trading is REDUCING."""
    scope = reducing_scope(facts.switches.trading)
    if not scope or isinstance(write, Convert):
        return None
    sentence = f"trading is REDUCING ({scope}); {facts.row.kind} may add to what is held"
    return Reason(code="trading_reducing", sentence=sentence, measured="REDUCING", limit="ACTIVE")


def _decide_spread(facts: Facts, found: Place | list[Place] | Reason) -> Decision:
    halted = refuse_trading(facts.switches.trading)
    if halted is not None:
        return Refuse(halted)
    if isinstance(found, Reason):
        return Refuse(found)
    return Spread((found,) if isinstance(found, Place) else tuple(found))
