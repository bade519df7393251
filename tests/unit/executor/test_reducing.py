from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.rules.decide import decide
from executor.rules.decision import Refuse, Send
from executor.rules.reducing import (
    Exposure,
    raises_risk,
    refuse_modify_unless_reducing,
    refuse_unless_reducing,
)
from shared.store.rows import Switches
from tests.unit.executor.builders import a_modify, a_place, a_placement, an_order, facts_of

REDUCING = Switches(trading=(("REDUCING", "account"),))


@pytest.mark.parametrize(
    ("side", "quantity", "position", "on_the_way", "passes"),
    [
        ("SELL", 5, 5, 0, True),
        ("SELL", 6, 5, 0, False),
        ("SELL", 3, 5, 2, True),
        ("SELL", 4, 5, 2, False),
        ("SELL", 1, 5, 9, False),
        ("SELL", 1, 0, 0, False),
        ("SELL", 1, -5, 0, False),
        ("BUY", 5, -5, 0, True),
        ("BUY", 1, -5, 5, False),
        ("BUY", 1, 5, 0, False),
    ],
)
def test_only_what_is_left_of_the_position_after_exits_in_flight_may_be_closed(
    side, quantity, position, on_the_way, passes
):
    place = a_place(transaction_type=side, quantity=quantity)
    exposure = Exposure(position=position, on_the_way=on_the_way)
    reason = refuse_unless_reducing(place, exposure, "account")
    assert (reason is None) is passes
    if reason is not None:
        assert (reason.code, reason.measured) == ("trading_reducing", str(quantity))


def test_position_nobody_knows_is_not_reduced():
    reason = refuse_unless_reducing(a_place(), None, "strategy")
    assert (reason.code, reason.measured) == ("trading_reducing", "unknown")


@given(
    position=st.integers(-1000, 1000),
    exits=st.lists(st.integers(1, 400), max_size=20),
    side=st.sampled_from(["BUY", "SELL"]),
)
def test_exits_that_pass_one_after_another_never_turn_the_position_round(position, exits, side):
    sign = 1 if side == "BUY" else -1
    sent = 0
    for quantity in exits:
        exposure = Exposure(position=position, on_the_way=sent)
        place = a_place(transaction_type=side, quantity=quantity)
        if refuse_unless_reducing(place, exposure, "account") is None:
            sent += quantity
    after = position + sign * sent
    assert abs(after) <= abs(position)
    assert after * position >= 0


@pytest.mark.parametrize(
    ("change", "raises"),
    [
        ({"quantity": 11}, True),
        ({"quantity": 9}, False),
        ({"price": Decimal(102)}, True),
        ({"price": Decimal(101)}, False),
        ({"order_type": "MARKET"}, True),
        ({"validity": "IOC"}, False),
        ({"trigger_price": Decimal(99)}, True),
    ],
)
def test_change_raises_risk_where_the_order_grows_or_trades_sooner(change, raises):
    modify = a_modify(**{"quantity": None, **change})
    assert raises_risk(modify, an_order(transaction_type="BUY")) is raises


def test_exit_may_be_made_readier_to_trade_but_not_larger_than_the_position():
    order = an_order(transaction_type="SELL", quantity=10)
    exposure = Exposure(position=10, on_the_way=10, own=10)
    readier = a_modify(quantity=None, price=Decimal(100))
    larger = a_modify(quantity=11)
    assert refuse_modify_unless_reducing(readier, order, exposure, "account") is None
    assert refuse_modify_unless_reducing(larger, order, exposure, "account") is not None


def test_entry_may_be_shrunk_but_not_be_made_readier_to_trade():
    order = an_order(transaction_type="BUY", quantity=10)
    exposure = Exposure(position=10, on_the_way=10, own=10)
    shrunk, readier = a_modify(quantity=5), a_modify(quantity=None, price=Decimal(102))
    assert refuse_modify_unless_reducing(shrunk, order, None, "account") is None
    assert refuse_modify_unless_reducing(readier, order, exposure, "account") is not None


def test_reducing_lets_an_exit_go_and_refuses_an_entry():
    exposure = Exposure(position=1)
    for side, verdict in (("SELL", Send), ("BUY", Refuse)):
        place = a_place(transaction_type=side)
        assert isinstance(decide(facts_of(place, switches=REDUCING, exposure=exposure)), verdict)


def test_halted_beats_reducing_for_exits_and_modifies():
    both = Switches(trading=(("REDUCING", "account"), ("HALTED", "global")))
    exit_ = facts_of(a_place(transaction_type="SELL"), switches=both, exposure=Exposure(position=1))
    shrink = facts_of(
        a_modify(quantity=5), switches=both, placement=a_placement(), order=an_order()
    )
    for facts in (exit_, shrink):
        assert decide(facts).reason.code == "trading_halted"
