from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.guard import (
    Instrument,
    is_expired,
    reducing_scope,
    refuse_modify,
    refuse_place,
    refuse_trading,
)
from tests.unit.executor.builders import a_modify, a_place, an_order

FUTURE = Instrument(lot_size=75, tick_size_paise=5)


def modify_refused(modify, order=None, *, modifications=0, instrument=None):
    reason = refuse_modify(
        modify,
        order or an_order(),
        modifications=modifications,
        modifications_max=24,
        instrument=instrument,
    )
    return reason and reason.code


@pytest.mark.parametrize(
    ("until", "now", "expired"), [(None, 5, False), (6, 5, False), (5, 5, True), (4, 5, True)]
)
def test_expired_from_its_very_microsecond_on(until, now, expired):
    assert is_expired(until, now) is expired


@pytest.mark.parametrize(
    "place",
    [
        a_place(),
        a_place(variety="amo"),
        a_place(order_type="MARKET", price=None, market_protection=-1.0),
        a_place(order_type="MARKET", price=Decimal(0), market_protection=2.5),
        a_place(order_type="SL", trigger_price=Decimal(101)),
        a_place(order_type="SL-M", price=None, trigger_price=Decimal(99), market_protection=1.0),
        a_place(validity="TTL", validity_ttl_minutes=5),
        a_place(quantity=10, disclosed_quantity=10),
    ],
)
def test_placement_that_breaks_no_rule_passes(place):
    assert refuse_place(place, None) is None


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"variety": "iceberg"}, "iceberg_mismatch", "iceberg_legs"),
        ({"price": None}, "price_missing", "price"),
        ({"price": Decimal(0)}, "price_invalid", "price"),
        ({"price": Decimal(-1)}, "price_invalid", "price"),
        ({"price": Decimal("1.005")}, "price_invalid", "price"),
        ({"price": Decimal("NaN")}, "price_invalid", "price"),
        ({"price": Decimal(10**9)}, "price_invalid", "price"),
        ({"order_type": "MARKET"}, "price_unexpected", "price"),
        ({"trigger_price": Decimal(1)}, "trigger_price_unexpected", "trigger_price"),
        ({"order_type": "SL"}, "trigger_price_missing", "trigger_price"),
        (
            {"order_type": "MARKET", "price": None},
            "market_protection_missing",
            "market_protection",
        ),
        (
            {"order_type": "MARKET", "price": None, "market_protection": 0.0},
            "market_protection_missing",
            "market_protection",
        ),
        (
            {"order_type": "MARKET", "price": None, "market_protection": -0.5},
            "market_protection_missing",
            "market_protection",
        ),
        (
            {"exchange": "MCX", "product": "NRML", "validity": "IOC"},
            "validity_unsupported",
            "validity",
        ),
        ({"validity": "TTL"}, "validity_ttl_mismatch", "validity_ttl_minutes"),
        ({"validity_ttl_minutes": 5}, "validity_ttl_mismatch", "validity_ttl_minutes"),
        ({"disclosed_quantity": 2}, "disclosed_too_large", "disclosed_quantity"),
    ],
)
def test_placement_that_breaks_a_rule_is_refused_with_its_field(change, code, field):
    reason = refuse_place(a_place(**change), None)
    assert (reason.code, reason.field) == (code, field)
    assert reason.measured
    assert reason.limit
    assert field in reason.sentence


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": 100}, "quantity_not_in_lots"),
        ({"quantity": 75, "price": Decimal("101.52")}, "price_off_tick"),
        (
            {
                "quantity": 75,
                "order_type": "SL",
                "price": Decimal("101.50"),
                "trigger_price": Decimal("101.51"),
            },
            "trigger_price_off_tick",
        ),
    ],
)
def test_placement_off_the_instruments_steps_is_refused(change, code):
    assert refuse_place(a_place(**change), FUTURE).code == code
    assert refuse_place(a_place(**change), None) is None


def test_placement_in_lots_and_ticks_passes():
    assert refuse_place(a_place(quantity=150, price=Decimal("101.55")), FUTURE) is None


def test_instrument_of_unknown_steps_bounds_nothing():
    assert refuse_place(a_place(quantity=7, price=Decimal("101.51")), Instrument()) is None


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ([], None),
        ([("ACTIVE", "global")], None),
        ([("REDUCING", "strategy")], None),
        ([("REDUCING", "strategy"), ("HALTED", "global")], "trading_halted"),
    ],
)
def test_only_halted_stops_everything(switches, code):
    reason = refuse_trading(switches)
    assert (reason and reason.code) == code


def test_switch_that_only_lets_reduce_is_named():
    switches = [("REDUCING", "strategy"), ("ACTIVE", "global"), ("REDUCING", "account")]
    assert reducing_scope(switches) == "account"
    assert reducing_scope([("ACTIVE", "global")]) == ""


@pytest.mark.parametrize(
    "modify",
    [
        a_modify(),
        a_modify(quantity=None, price=Decimal(99)),
        a_modify(expect_version=an_order().version),
        a_modify(quantity=None, order_type="MARKET", market_protection=-1.0),
    ],
)
def test_modify_that_breaks_no_rule_passes(modify):
    assert modify_refused(modify) is None


@pytest.mark.parametrize(
    ("modify", "code"),
    [
        (a_modify(quantity=None), "nothing_to_modify"),
        (a_modify(expect_version="older"), "version_changed"),
        (a_modify(quantity=4), "quantity_filled"),
        (a_modify(quantity=None, order_type="MARKET"), "market_protection_missing"),
        (a_modify(quantity=None, order_type="SL"), "trigger_price_missing"),
        (a_modify(quantity=None, trigger_price=Decimal(5)), "trigger_price_unexpected"),
        (a_modify(quantity=None, price=Decimal("1.001")), "price_invalid"),
        (a_modify(quantity=None, disclosed_quantity=11), "disclosed_too_large"),
    ],
)
def test_modify_that_breaks_a_rule_is_refused(modify, code):
    assert modify_refused(modify, an_order(filled_quantity=4)) == code


@pytest.mark.parametrize(("made", "code"), [(23, None), (24, "modifications_spent")])
def test_modify_beyond_the_budget_is_refused(made, code):
    assert modify_refused(a_modify(), modifications=made) == code


def test_modify_off_the_instruments_steps_is_refused():
    refused = modify_refused(a_modify(quantity=76), instrument=FUTURE)
    assert refused == "quantity_not_in_lots"
