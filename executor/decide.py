"""What is to be done with a claimed command, given all that is known."""

from __future__ import annotations

import msgspec

from executor.changing import refuse_change
from executor.families import Turn, cancels_of
from executor.guard import (
    CHANGES,
    Instrument,
    is_expired,
    reducing_scope,
    refuse_modify,
    refuse_place,
    refuse_trading,
)
from executor.lifecycle import UNSENT, is_open
from executor.reducer import BrokerOrder
from executor.reducing import (
    Exposure,
    refuse_modify_unless_reducing,
    refuse_unless_reducing,
)
from executor.risk import (
    Market,
    Risk,
    Spent,
    refuse_money,
    refuse_price,
    refuse_session,
    refuse_size,
    refuse_spent,
)
from executor.spreading import spread_basket, spread_exit
from executor.targets import (
    IN_DOUBT,
    NOT_A_PLACEMENT,
    UNKNOWN_ORDER,
    UNKNOWN_PLACEMENT,
    UNREAD_PLACEMENT,
    ended,
    refuse_naming,
)
from executor.writes import ENDING, refuse_write, subject_of
from shared.kite.writes import Write
from shared.store.rows import CommandRow, Switches
from shared.wire.families import Basket, Exit
from shared.wire.gtt import Convert
from shared.wire.orders import Cancel, Command, Modify, Place, Reason, State
from shared.wire.switching import Halt, Reduce, Resume


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The account's own limits."""

    placements_per_day_max: int
    #: Of those, how many are kept for placements that reduce.
    placements_per_day_reserved: int = 0
    modifications_max: int
    target_wait_us: int
    positions_age_us: int = 90_000_000
    risk: Risk = Risk()
    #: Whether mutual funds may be written.
    has_funds: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision rests on; `placement` and `order` are those the command names."""

    row: CommandRow
    command: Command
    now_us: int
    limits: Limits
    placement: CommandRow | None = None
    order: BrokerOrder | None = None
    modifications: int = 0
    instrument: Instrument | None = None
    switches: Switches = Switches()
    placements_today: int = 0
    market: Market = Market()
    spent: Spent = Spent()
    #: Why the strategy is to be held before it sends more of the kind.
    runaway: Reason | None = None
    duplicate: Reason | None = None
    #: Where trading is REDUCING: what is held of the instrument; None is not known.
    exposure: Exposure | None = None
    #: The placement was made to close a position: it goes only if it still does nothing else.
    is_exit: bool = False
    #: A leg's turn in its basket; a family's other members, or a cut placement's orders.
    turn: Turn = Turn()
    members: tuple[CommandRow, ...] = ()
    orders: tuple[BrokerOrder, ...] = ()
    instruments: tuple[Instrument | None, ...] = ()
    #: Modifies of the same order that were claimed after this one and have not left either.
    later: tuple[Modify, ...] = ()


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Let it go; the rest is the order's, for a modify or a cancel."""

    order_id: str = ""
    variety: str = ""
    parent_order_id: str = ""


class Refuse(msgspec.Struct, frozen=True):
    """End it here; `holds_strategy` where nothing new of the strategy may follow."""

    reason: Reason
    holds_strategy: bool = False


class Expire(msgspec.Struct, frozen=True):
    """Its time has passed."""


class Supersede(msgspec.Struct, frozen=True):
    """A later modify says everything that this one says: only that one is sent."""

    by_command_id: str


class EndUnsent(msgspec.Struct, frozen=True):
    """It is not sent, through no fault of its own."""

    reason: Reason


class Spread(msgspec.Struct, frozen=True):
    """It is carried out by these commands."""

    commands: tuple[Command, ...]


class EndBoth(msgspec.Struct, frozen=True):
    """The placement has not left: neither it nor its cancel is sent."""

    placement: CommandRow


class Wait(msgspec.Struct, frozen=True):
    """Ask again when something has happened; `bury` where the placement has not even been read."""

    bury: bool = False


#: What keeps a command here.
Stay = Refuse | Expire | EndUnsent | EndBoth | Spread | Supersede | Wait
Decision = Send | Stay


def decide(facts: Facts) -> Decision:
    """Return what to do with a command that has not been sent."""
    if is_expired(facts.row.valid_until_us, facts.now_us):
        return Expire()
    match facts.command:
        case Place() as place:
            return _decide_place(place, facts)
        case Modify() as modify:
            return _decide_modify(modify, facts)
        case Cancel() as cancel:
            return _decide_cancel(cancel, facts)
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


def _decide_place(place: Place, facts: Facts) -> Decision:
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


def is_exposure_needed(facts: Facts) -> bool:
    """Tell whether the decision depends on what is held of the instrument."""
    if facts.is_exit or reducing_scope(facts.switches.trading):
        return True
    return isinstance(facts.command, Place) and _refuse_day(facts.command, facts) is not None


def exposure_of(command: Command) -> str | None:
    """Return what a placement adds to, side and instrument; None for what adds to nothing."""
    if not isinstance(command, Place):
        return None
    return f"{command.transaction_type} {command.exchange}:{command.tradingsymbol}"


def _decide_modify(modify: Modify, facts: Facts) -> Decision:
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
    scope = reducing_scope(switches)
    refused = scope and refuse_modify_unless_reducing(modify, facts.order, facts.exposure, scope)
    refused = refused or refuse_modify(
        modify,
        facts.order,
        modifications=facts.modifications,
        modifications_max=facts.limits.modifications_max,
        instrument=facts.instrument,
    )
    refused = refused or refuse_change(
        modify,
        facts.order,
        risk=facts.limits.risk,
        spent=facts.spent,
        market=facts.market,
        instrument=facts.instrument,
    )
    return Refuse(refused) if refused else target


def covers(later: Modify, earlier: Modify) -> bool:
    """Tell whether a later modify sets whatever the earlier one would."""
    return all(
        getattr(later, name) is not None for name in CHANGES if getattr(earlier, name) is not None
    )


def _decide_cancel(cancel: Cancel, facts: Facts) -> Decision:
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


def _refuse_count(sent_today: int, most: int) -> Reason | None:
    if sent_today < most:
        return None
    return Reason(
        code="day_limit",
        sentence=f"{sent_today} placements were sent today, the limit is {most}",
        measured=str(sent_today),
        limit=str(most),
    )
