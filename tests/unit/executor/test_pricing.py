"""Which orders a rule measures by the last price, which of them wait for it, and how long."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from executor.rules.pricing import asks_price, needs_price, patience_s
from executor.rules.reducing import Exposure
from executor.rules.risk import Risk
from tests.unit.executor.builders import LIMITS, NOW_US, a_cancel, a_modify, a_place, an_order
from tests.unit.executor.builders import facts_of as plain_facts_of

BAND = Risk(price_band_percent=20.0)
WORTH = Risk(order_notional_max=10_000)
TURNOVER = Risk(day_turnover_max=10_000)
REQUIRED = Risk(is_price_needed=True)
MARKET = {"order_type": "MARKET", "price": None, "market_protection": -1}
STOP = {"order_type": "SL-M", "price": None, "trigger_price": Decimal(90), "market_protection": 1}


def facts_of(command, *, risk, **facts):
    return plain_facts_of(command, limits=replace(LIMITS, risk=risk), **facts)


@pytest.mark.parametrize(
    ("order", "risk", "is_needed"),
    [
        ({}, Risk(), False),
        ({}, REQUIRED, True),
        ({}, BAND, True),
        ({}, WORTH, False),
        (MARKET, Risk(), False),
        (MARKET, BAND, False),
        (MARKET, WORTH, True),
        (MARKET, TURNOVER, True),
        (STOP, WORTH, False),
        (STOP, REQUIRED, True),
    ],
)
def test_price_is_needed_where_a_limit_measures_the_order_by_it(order, risk, is_needed):
    assert needs_price(a_place(**order), risk) is is_needed


@pytest.mark.parametrize(
    ("facts", "risk", "asks"),
    [
        ({}, BAND, True),
        # Nobody knows what is held: it may add.
        ({"exposure": None}, WORTH, True),
        ({"exposure": Exposure(position=-5)}, BAND, False),
        ({"exposure": Exposure(position=5)}, BAND, True),
        # It would be refused without a price, so asking delays nothing.
        ({"exposure": Exposure(position=-5)}, REQUIRED, True),
        ({"is_exit": True}, BAND, False),
        ({"is_exit": True}, REQUIRED, False),
    ],
)
def test_placement_that_gets_out_does_not_wait_for_its_price(facts, risk, asks):
    place = a_place(**({} if risk is BAND else MARKET))
    assert (asks_price(facts_of(place, risk=risk, **facts)) is place) is asks


RISKIER = a_modify(quantity=None, price=Decimal(103))


@pytest.mark.parametrize(
    ("modify", "facts", "risk", "asks"),
    [
        (RISKIER, {}, BAND, True),
        (RISKIER, {"order": None}, BAND, False),
        (replace(RISKIER, price=Decimal(100)), {}, REQUIRED, False),
        (replace(RISKIER, is_exit=True), {}, BAND, False),
        (replace(RISKIER, is_exit=True), {}, REQUIRED, True),
        (RISKIER, {"exposure": Exposure(position=-20, on_the_way=10, own=10)}, BAND, False),
        (RISKIER, {"exposure": Exposure(position=-20, on_the_way=10, own=10)}, REQUIRED, True),
        (RISKIER, {}, WORTH, False),
    ],
)
def test_modify_waits_only_where_it_raises_risk_and_is_no_way_out(modify, facts, risk, asks):
    order = an_order(transaction_type="BUY")
    asked = asks_price(facts_of(modify, risk=risk, **{"order": order, **facts}))
    assert (asked is not None) is asks
    if asked is not None:
        assert (asked.price, asked.quantity) == (Decimal(103), 10), "as the order would be"


def test_cancel_never_waits_for_a_price():
    assert asks_price(facts_of(a_cancel(), risk=REQUIRED, order=an_order())) is None


@pytest.mark.parametrize(
    ("left_s", "patience"), [(None, 1.5), (60, 1.5), (2, 1.0), (0.1, 0.05), (0, 0.0), (-5, 0.0)]
)
def test_command_waits_no_longer_than_half_of_what_its_validity_leaves(left_s, patience):
    until = None if left_s is None else NOW_US + round(left_s * 1e6)
    assert patience_s(1.5, until, NOW_US) == pytest.approx(patience)
