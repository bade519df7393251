from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.changing import refuse_change
from executor.rules.guard import Instrument
from executor.rules.risk import Market, Risk, Spent
from shared.market.calendar_rows import Phase
from tests.unit.executor.builders import a_modify, an_order

RISK = Risk(
    order_quantity_max=100,
    order_notional_max=5_000,
    day_quantity_max=60,
    day_turnover_max=6_000,
    price_band_percent=10,
    price_band_rupees_min=2,
    is_session_needed=True,
)
LAST = Market(last_price=Decimal(100), phase=Phase.OPEN)
#: A resting purchase of 10 at 95.
ORDER = an_order(transaction_type="BUY", price=Decimal(95))
SPENT = Spent(quantity=10, turnover=Decimal(950))


def refused(change, *, order=ORDER, market=LAST, spent=SPENT, instrument=None):
    modify = a_modify(**{"quantity": None, **change})
    reason = refuse_change(
        modify, order, risk=RISK, spent=spent, market=market, instrument=instrument
    )
    return reason and (reason.code, reason.measured, reason.limit)


@pytest.mark.parametrize(
    ("change", "facts", "expected"),
    [
        ({"price": Decimal(111)}, {}, ("price_band", "111", "at most 110.00")),
        ({"price": Decimal(110)}, {}, None),
        ({"quantity": 101}, {}, ("order_quantity_limit", "101", "100")),
        (
            {"quantity": 30},
            {"instrument": Instrument(freeze_quantity=20)},
            ("freeze_quantity_limit", "30", "20"),
        ),
        ({"quantity": 55}, {}, ("order_notional_limit", "5225", "5000")),
        ({"quantity": 50}, {"spent": Spent(quantity=21)}, ("day_quantity_limit", "61", "60")),
        (
            {"quantity": 50},
            {"spent": Spent(quantity=10, turnover=Decimal(2300))},
            ("day_turnover_limit", "6100", "6000"),
        ),
        ({"quantity": 50}, {}, None),
        (
            {"quantity": 11},
            {"market": Market(last_price=Decimal(100), phase=Phase.CLOSED)},
            ("session_closed", "closed", "a session"),
        ),
    ],
)
def test_change_that_raises_risk_is_judged_as_a_placement_would_be(change, facts, expected):
    assert refused(change, **facts) == expected


@pytest.mark.parametrize("change", [{"quantity": 1}, {"price": Decimal(1)}, {"validity": "IOC"}])
def test_change_that_lowers_risk_passes_whatever_is_spent_or_closed(change):
    market = Market(last_price=Decimal(100), phase=Phase.CLOSED)
    assert refused(change, market=market, spent=Spent(quantity=10_000)) is None


def test_sale_is_bounded_from_below():
    order = an_order(transaction_type="SELL", price=Decimal(105))
    assert refused({"price": Decimal(89)}, order=order) == ("price_band", "89", "at least 90.00")
    assert refused({"price": Decimal(111)}, order=order) is None


def test_price_nobody_has_looked_for_is_judged_later():
    market = Market(phase=Phase.OPEN, is_looked_at=False)
    assert refused({"price": Decimal(500)}, market=market) is None
