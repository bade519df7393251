from __future__ import annotations

import pytest
from msgspec.structs import replace

from executor.journal.asked import exposure_of
from executor.rules.decide import decide
from executor.rules.decide_place import is_exposure_needed
from executor.rules.decision import EndBoth, Expire, Refuse, Send, Supersede, Wait
from executor.rules.reducing import Exposure
from executor.rules.risk import Risk
from shared.store.rows import Switches
from shared.wire.orders import State
from tests.unit.executor.builders import (
    LIMITS,
    NOW_US,
    a_cancel,
    a_modify,
    a_place,
    a_placement,
    a_row,
    an_order,
    facts_of,
)


def code(decision):
    assert isinstance(decision, Refuse), decision
    return decision.reason.code


@pytest.mark.parametrize("command", [a_place, a_modify, a_cancel])
def test_expired_command_expires_whatever_else_is_wrong(command):
    assert decide(
        facts_of(command(valid_until_us=NOW_US), switches=Switches(trading=(("HALTED", "global"),)))
    ) == (Expire())


def test_placement_that_breaks_no_rule_is_sent():
    assert decide(facts_of(a_place())) == Send(variety="regular")


def test_placement_waits_while_another_of_its_side_and_instrument_is_in_doubt():
    decision = decide(facts_of(a_place(), switches=Switches(in_doubt="command-9")))
    assert isinstance(decision, Wait)
    assert decision.reason is not None
    assert (decision.reason.code, decision.reason.measured) == ("like_in_doubt", "command-9")


@pytest.mark.parametrize(
    ("command", "exposure"),
    [(a_place(), "BUY NSE:INFY"), (a_modify(), None), (a_cancel(), None)],
)
def test_exposure_is_side_and_instrument_of_a_placement(command, exposure):
    assert exposure_of(command) == exposure


def test_placement_while_trading_is_halted_is_refused():
    halted = facts_of(a_place(), switches=Switches(trading=(("HALTED", "account"),)))
    assert code(decide(halted)) == "trading_halted"


@pytest.mark.parametrize(("sent", "is_sent"), [(99, True), (100, False)])
def test_placement_beyond_the_days_count_is_refused(sent, is_sent):
    decision = decide(facts_of(a_place(), placements_today=sent))
    assert isinstance(decision, Send) if is_sent else code(decision) == "day_limit"


def test_placement_off_a_rule_is_refused():
    assert code(decide(facts_of(a_place(price=None)))) == "price_missing"


@pytest.mark.parametrize("state", [State.RECEIVED, State.ADMITTED])
def test_cancel_of_an_unsent_placement_ends_both(state):
    placement = a_row(state=state)
    assert decide(facts_of(a_cancel(), placement=placement)) == EndBoth(placement)


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN])
@pytest.mark.parametrize("command", [a_cancel, a_modify])
def test_change_of_a_placement_in_flight_waits_for_its_order_id(command, state):
    assert decide(facts_of(command(), placement=a_placement(state, order_id=None))) == Wait()


def test_cancel_of_an_open_order_goes_out_although_trading_is_halted():
    facts = facts_of(
        a_cancel(),
        placement=a_placement(),
        order=an_order(variety="amo"),
        switches=Switches(trading=(("HALTED", "global"),)),
    )
    assert decide(facts) == Send(order_id="1", variety="amo")


def test_cancel_of_an_order_not_seen_yet_goes_out():
    assert decide(facts_of(a_cancel(), placement=a_placement(State.ACCEPTED))) == (
        Send(order_id="1", variety="regular")
    )


def test_cancel_of_an_order_nobody_here_placed_goes_out():
    cancel = a_cancel(target_command_id=None, order_id="77")
    assert decide(facts_of(cancel)) == Send(order_id="77", variety="regular")


@pytest.mark.parametrize(
    "state",
    [State.REFUSED, State.EXPIRED, State.COMPLETE, State.CANCELLED, State.REJECTED],
)
@pytest.mark.parametrize("command", [a_cancel, a_modify])
def test_change_of_an_ended_placement_is_refused(command, state):
    assert code(decide(facts_of(command(), placement=a_placement(state)))) == "target_ended"


def test_cancel_of_an_order_that_ended_at_the_broker_is_refused():
    order = an_order(status="COMPLETE")
    decision = decide(facts_of(a_cancel(), placement=a_placement(), order=order))
    assert code(decision) == "target_ended"
    assert decision.reason.measured == "COMPLETE"


def test_cancel_of_a_placement_nobody_could_settle_is_a_persons_business():
    placement = a_placement(State.MANUAL, order_id=None)
    assert code(decide(facts_of(a_cancel(), placement=placement))) == "target_manual"


def test_cancel_before_its_placement_leaves_a_tombstone_then_gives_up():
    early = facts_of(a_cancel())
    assert decide(early) == Wait(bury=True)
    late = facts_of(a_cancel(), row=a_row(a_cancel(), received_us=NOW_US - 60_000_000))
    assert code(decide(late)) == "target_unknown"


@pytest.mark.parametrize(
    "naming", [{"order_id": "1"}, {"target_command_id": None, "order_id": None}]
)
@pytest.mark.parametrize("command", [a_cancel, a_modify])
def test_change_that_names_not_exactly_one_target_is_refused(command, naming):
    assert code(decide(facts_of(command(**naming)))) == "target_ambiguous"


def test_cancel_of_a_cancel_is_refused():
    other = a_row(a_cancel(command_id="command-9"), state=State.ACCEPTED, order_id="1")
    assert code(decide(facts_of(a_cancel(), placement=other))) == "target_not_a_placement"


def test_modify_of_an_unsent_placement_waits():
    assert decide(facts_of(a_modify(), placement=a_row())) == Wait()


def test_modify_waits_until_the_order_has_been_seen():
    assert decide(facts_of(a_modify(), placement=a_placement(State.ACCEPTED))) == Wait()


def test_modify_of_an_open_order_is_sent():
    facts = facts_of(a_modify(), placement=a_placement(), order=an_order())
    assert decide(facts) == Send(order_id="1", variety="regular")


def test_modify_that_adds_while_trading_is_reducing_is_refused():
    facts = facts_of(
        a_modify(quantity=11),
        placement=a_placement(),
        order=an_order(),
        switches=Switches(trading=(("REDUCING", "strategy"),)),
    )
    assert code(decide(facts)) == "trading_reducing"


@pytest.mark.parametrize("naming", [{}, {"target_command_id": None, "order_id": "77"}])
def test_modify_of_something_never_seen_is_refused(naming):
    assert code(decide(facts_of(a_modify(**naming)))) == "target_unknown"


def test_modify_off_a_rule_is_refused():
    facts = facts_of(a_modify(quantity=None), placement=a_placement(), order=an_order())
    assert code(decide(facts)) == "nothing_to_modify"


def test_modify_that_a_later_one_covers_is_not_sent():
    later = (
        a_modify(command_id="command-8", quantity=3, price=1),
        a_modify(command_id="command-9"),
    )
    facts = facts_of(a_modify(), placement=a_placement(), order=an_order(), later=later)
    assert decide(facts) == Supersede("command-9")


def test_modify_of_something_that_later_ones_leave_alone_is_sent():
    later = (a_modify(command_id="command-8", quantity=None, price=1),)
    facts = facts_of(a_modify(quantity=20), placement=a_placement(), order=an_order(), later=later)
    assert isinstance(decide(facts), Send)


@pytest.mark.parametrize(
    ("modifications", "is_exit", "is_sent"),
    [(23, False, True), (24, False, False), (24, True, True), (25, True, False)],
)
def test_last_modification_of_an_order_is_kept_for_getting_out(modifications, is_exit, is_sent):
    facts = facts_of(
        a_modify(quantity=20, is_exit=is_exit),
        placement=a_placement(),
        order=an_order(),
        modifications=modifications,
    )
    decision = decide(facts)
    assert isinstance(decision, Send) if is_sent else code(decision) == "modifications_spent"


def test_cancel_of_the_second_leg_of_a_cover_order_names_the_first():
    order = an_order(order_id="8", variety="co", parent_order_id="7")
    decision = decide(facts_of(a_cancel(target_command_id=None, order_id="8"), order=order))
    assert decision == Send(order_id="8", variety="co", parent_order_id="7")


@pytest.mark.parametrize(
    ("sent", "side", "verdict"),
    [
        (4899, "BUY", Send),
        (4900, "BUY", Refuse),
        (4999, "BUY", Refuse),
        (4900, "SELL", Send),
        (4999, "SELL", Send),
        (5000, "SELL", Refuse),
    ],
)
def test_days_last_hundred_placements_are_kept_for_exits(sent, side, verdict):
    limits = replace(LIMITS, placements_per_day_max=5000, placements_per_day_reserved=100)
    facts = facts_of(
        a_place(transaction_type=side),
        limits=limits,
        placements_today=sent,
        exposure=Exposure(position=1),
    )
    assert isinstance(decide(facts), verdict)


def test_limit_of_the_days_turnover_does_not_hold_an_exit():
    limits = replace(LIMITS, risk=Risk(day_turnover_max=10))
    for exposure, verdict in ((Exposure(position=1), Send), (None, Refuse)):
        facts = facts_of(a_place(transaction_type="SELL"), limits=limits, exposure=exposure)
        assert isinstance(decide(facts), verdict)


@pytest.mark.parametrize(
    ("facts", "needed"),
    [
        ({}, False),
        ({"placements_today": 100}, True),
        ({"switches": Switches(trading=(("REDUCING", "global"),))}, True),
        ({"switches": Switches(trading=(("HALTED", "global"),))}, False),
    ],
)
def test_holdings_are_read_only_where_they_decide(facts, needed):
    assert is_exposure_needed(facts_of(a_place(), **facts)) is needed
