"""A trigger's orders are judged before it is left at the broker: nobody asks us when it fires."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from executor.rules.guard import Instrument
from executor.rules.risk import Market, Risk
from executor.rules.triggers import refuse_trigger
from shared.wire.gtt import GttPlace

RISK = Risk(
    order_quantity_max=100,
    order_notional_max=100_000,
    products=("CNC", "NRML"),
    instruments=("NSE:*",),
)
INFY = Instrument(lot_size=5, tick_size_paise=5, freeze_quantity=80)


def a_trigger(*orders, **facts):
    two = [{"transaction_type": "SELL", "quantity": 10, "product": "CNC", "price": "1400"}] * 2
    changed = [{**each, **order} for each, order in zip(two, orders or ({}, {}), strict=True)]
    gtt = {
        "command_id": "command-9",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "trigger_type": "two-leg",
        "trigger_values": ["1400", "1700"],
        "last_price": "1500",
        "orders": changed,
    }
    return msgspec.convert({**gtt, **facts}, GttPlace, strict=False)


def judged(gtt):
    return refuse_trigger(gtt, risk=RISK, market=Market(), instrument=INFY)


def test_trigger_within_every_limit_may_be_left():
    assert judged(a_trigger()) is None


@pytest.mark.parametrize(
    ("order", "code", "field"),
    [
        ({"quantity": 105}, "order_quantity_limit", "orders[1].quantity"),
        ({"quantity": 85}, "freeze_quantity_limit", "orders[1].quantity"),
        ({"quantity": 75}, "order_notional_limit", "orders[1].quantity"),
        ({"quantity": 12}, "quantity_not_in_lots", "orders[1].quantity"),
        ({"price": "1400.03"}, "price_off_tick", "orders[1].price"),
        ({"product": "MTF"}, "product_not_allowed", "orders[1].product"),
    ],
)
def test_order_of_a_trigger_beyond_a_limit_is_refused_by_its_number(order, code, field):
    reason = judged(a_trigger({}, order))
    assert (reason.code, reason.field) == (code, field)


def test_trigger_of_an_instrument_that_may_not_be_traded_is_refused():
    reason = judged(a_trigger(exchange="BSE"))
    assert (reason.code, reason.field) == ("instrument_not_allowed", "tradingsymbol")
    assert reason.measured == "BSE:INFY"


def test_worth_of_a_triggers_order_is_by_its_own_price():
    assert judged(a_trigger({}, {"quantity": 70})) is None
    assert judged(a_trigger({}, {"quantity": 70, "price": str(Decimal(1500))})).code == (
        "order_notional_limit"
    )
