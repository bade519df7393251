from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.decide import decide
from executor.rules.decision import EndBoth, EndUnsent, Refuse, Send, Spread, Wait
from executor.rules.derived import COMMAND_ID_CHARACTERS_MAX, derived_id
from executor.rules.families import Turn, cancels_of, legs_of, progress_of, turn_of
from executor.rules.lifecycle import Step
from executor.rules.reducing import Exposure
from shared.store.rows import Switches
from shared.wire.families import Basket, Exit
from shared.wire.order_fields import Leg
from shared.wire.orders import Place, State
from tests.unit.executor.builders import a_cancel, a_place, a_row, an_order, facts_of

LEG = Leg(
    exchange="NSE",
    tradingsymbol="INFY",
    transaction_type="BUY",
    quantity=1,
    product="CNC",
    order_type="LIMIT",
    price=Decimal("101.5"),
)


def a_basket(policy="independent", legs=3, **facts):
    return Basket(**{"command_id": "basket-1", "policy": policy, "legs": [LEG] * legs, **facts})


def an_exit(**facts):
    return Exit(
        **{"command_id": "exit-0001", "exchange": "NSE", "tradingsymbol": "INFY", "product": "CNC"}
        | facts
    )


def members(basket, *states):
    rows = [
        a_row(place, state=state, parent_command_id=basket.command_id, order_id=str(number))
        for number, (place, state) in enumerate(zip(legs_of(basket), states, strict=False))
    ]
    return {row.command_id: row for row in rows}


def test_leg_of_a_basket_is_a_placement_under_a_command_id_of_its_own():
    first, second, _ = legs_of(a_basket(strategy_id="s", valid_until_us=10**15))
    assert (first.command_id, second.command_id) == ("basket-1.1", "basket-1.2")
    assert (first.strategy_id, first.valid_until_us, first.price) == ("s", 10**15, LEG.price)


def test_derived_id_that_would_be_too_long_is_shortened_and_stays_its_own():
    long = "a" * COMMAND_ID_CHARACTERS_MAX
    found = {derived_id(long, "1"), derived_id(long, "2"), derived_id("b" + long[1:], "1")}
    assert len(found) == 3
    assert {len(each) for each in found} == {COMMAND_ID_CHARACTERS_MAX}
    assert derived_id(long, "1") == derived_id(long, "1")


@pytest.mark.parametrize(
    ("policy", "states", "turn"),
    [
        ("independent", (State.REJECTED, State.RECEIVED), Turn()),
        ("sequential", (State.OPEN, State.RECEIVED), Turn(waits=True)),
        ("sequential", (State.MANUAL, State.RECEIVED), Turn(waits=True)),
        ("sequential", (State.COMPLETE, State.RECEIVED), Turn()),
        ("all_or_cancel_rest", (State.OPEN, State.RECEIVED), Turn()),
    ],
)
def test_turn_of_a_leg_depends_on_the_policy(policy, states, turn):
    basket = a_basket(policy, legs=2)
    assert turn_of(basket, "basket-1.2", members(basket, *states)) == turn


@pytest.mark.parametrize("policy", ["sequential", "all_or_cancel_rest"])
@pytest.mark.parametrize(
    "state", [State.REFUSED, State.REJECTED, State.EXPIRED, State.PARTIALLY_ACCEPTED]
)
def test_leg_after_a_failed_one_is_never_sent(policy, state):
    basket = a_basket(policy, legs=2)
    turn = turn_of(basket, "basket-1.2", members(basket, state, State.RECEIVED))
    assert turn.reason.code == "leg_failed"


def test_sequential_leg_may_follow_an_accepted_one_where_asked_for():
    basket = a_basket("sequential", legs=2, advance_on="accepted")
    assert turn_of(basket, "basket-1.2", members(basket, State.OPEN, State.RECEIVED)) == Turn()


@pytest.mark.parametrize(
    ("states", "step"),
    [
        ((State.COMPLETE, State.OPEN), None),
        ((State.COMPLETE, State.UNKNOWN), None),
        ((State.COMPLETE, State.COMPLETE), Step.PARTS_COMPLETE),
        ((State.COMPLETE, State.REJECTED), Step.PARTS_MIXED),
        ((State.REFUSED, State.REJECTED), Step.PARTS_REFUSED),
        ((State.CANCELLED, State.REJECTED), Step.PARTS_CANCELLED),
        ((State.COMPLETE, State.MANUAL), Step.GIVE_UP),
    ],
)
def test_basket_ends_when_its_legs_have(states, step):
    basket = a_basket(legs=2)
    assert progress_of(basket, members(basket, *states)).step is step


def test_all_or_cancel_rest_cancels_what_lives_once_a_leg_has_failed():
    basket = a_basket("all_or_cancel_rest")
    found = progress_of(basket, members(basket, State.OPEN, State.REJECTED, State.COMPLETE))
    assert (found.step, [row.command_id for row in found.to_cancel]) == (None, ["basket-1.1"])


def test_independent_legs_are_left_alone_when_one_fails():
    basket = a_basket()
    found = progress_of(basket, members(basket, State.OPEN, State.REJECTED, State.OPEN))
    assert found.to_cancel == ()


def test_cancel_of_a_basket_cancels_its_living_legs_each_by_a_command_of_its_own():
    rows = list(members(a_basket(), State.OPEN, State.COMPLETE, State.RECEIVED).values())
    found = cancels_of(a_cancel(target_command_id="basket-1"), rows, ())
    assert [(each.command_id, each.target_command_id) for each in found] == [
        ("command-3.1", "basket-1.1"),
        ("command-3.2", "basket-1.3"),
    ]


def test_cancel_of_a_cut_placement_cancels_its_living_orders():
    orders = (an_order(order_id="1"), an_order(order_id="2", status="COMPLETE"))
    placement = a_row(a_place(autoslice=True), state=State.OPEN, order_id="1")
    decision = decide(facts_of(a_cancel(), placement=placement, orders=orders))
    assert isinstance(decision, Spread)
    assert [each.order_id for each in decision.commands] == ["1"]


def test_cancel_of_one_order_of_a_cut_placement_cancels_that_one_alone():
    orders = (an_order(order_id="1"), an_order(order_id="2"))
    placement = a_row(a_place(autoslice=True), state=State.OPEN, order_id="1")
    cancel = a_cancel(target_command_id=None, order_id="1")
    facts = facts_of(cancel, placement=placement, order=orders[0], orders=orders)
    assert decide(facts) == Send(order_id="1", variety="regular")


def test_cancel_of_a_basket_that_has_not_begun_ends_both():
    basket = a_row(a_basket())
    cancel = a_cancel(target_command_id="basket-1")
    assert decide(facts_of(cancel, placement=basket)) == EndBoth(basket)


@pytest.mark.parametrize(
    ("position", "on_the_way", "asked", "side", "quantity"),
    [(10, 0, None, "SELL", 10), (-10, 4, None, "BUY", 6), (10, 4, 6, "SELL", 6)],
)
def test_exit_closes_what_nothing_else_may_close(position, on_the_way, asked, side, quantity):
    exposure = Exposure(position=position, on_the_way=on_the_way)
    decision = decide(facts_of(an_exit(quantity=asked), exposure=exposure))
    assert isinstance(decision, Spread)
    (place,) = decision.commands
    assert isinstance(place, Place)
    assert (place.transaction_type, place.quantity) == (side, quantity)
    assert (place.order_type, place.market_protection) == ("MARKET", -1.0)


@pytest.mark.parametrize(
    ("exposure", "asked", "code"),
    [
        (None, 5, "position_unknown"),
        (Exposure(position=0), None, "no_position"),
        (Exposure(position=10), 11, "exit_exceeds_position"),
        (Exposure(position=10, on_the_way=10), None, "exit_exceeds_position"),
        (Exposure(position=10, on_the_way=5), 6, "exit_exceeds_position"),
    ],
)
def test_exit_that_might_do_more_than_reduce_is_refused(exposure, asked, code):
    decision = decide(facts_of(an_exit(quantity=asked), exposure=exposure))
    assert isinstance(decision, Refuse)
    assert decision.reason.code == code


def test_exit_passes_while_trading_is_reducing_not_while_it_is_halted():
    exposure = Exposure(position=10)
    for state, kind in (("REDUCING", Spread), ("HALTED", Refuse)):
        switches = Switches(trading=((state, "global"),))
        assert isinstance(decide(facts_of(an_exit(), exposure=exposure, switches=switches)), kind)


def test_order_of_an_exit_is_judged_again_when_it_is_to_leave():
    sale = a_place(transaction_type="SELL", quantity=10)
    grown = facts_of(sale, is_exit=True, exposure=Exposure(position=10, on_the_way=3))
    decision = decide(grown)
    assert isinstance(decision, Refuse)
    assert decision.reason.code == "exit_exceeds_position"


def test_basket_whose_legs_hang_together_is_refused_by_the_first_bad_leg():
    bad = [LEG, Leg(**{name: getattr(LEG, name) for name in LEG.__struct_fields__[:6]})]
    basket = Basket(command_id="basket-1", policy="sequential", legs=bad)
    decision = decide(facts_of(basket, instruments=(None, None)))
    assert isinstance(decision, Refuse)
    assert (decision.reason.code, decision.reason.field) == ("price_missing", "legs[1].price")


def test_leg_whose_turn_it_is_not_waits_or_ends():
    assert decide(facts_of(a_place(), turn=Turn(waits=True))) == Wait()
    reason = turn_of(
        basket := a_basket("sequential", legs=2),
        "basket-1.2",
        members(basket, State.REJECTED, State.RECEIVED),
    ).reason
    assert decide(facts_of(a_place(), turn=Turn(reason=reason))) == EndUnsent(reason)
