from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.decide import decide
from executor.rules.decision import Refuse, Send
from executor.rules.freeze import FREEZE, freeze_quantity
from executor.rules.guard import Instrument
from executor.rules.reducing import Exposure
from executor.rules.risk import Market, Risk, Spent, notional_of, rupees
from shared.market.calendar_rows import Phase
from tests.unit.executor.builders import LIMITS, a_place, facts_of

RISK = Risk(
    order_quantity_max=100,
    order_notional_max=10_000,
    day_quantity_max=500,
    day_turnover_max=50_000,
    price_band_percent=10,
    price_band_rupees_min=2,
    is_session_needed=True,
)
LAST = Market(last_price=Decimal(100), phase=Phase.OPEN)


def judged(place, *, risk=RISK, **facts):
    limits = LIMITS.__class__(
        placements_per_day_max=100, modifications_max=24, target_wait_us=1, risk=risk
    )
    return decide(facts_of(place, limits=limits, **{"market": LAST, **facts}))


@pytest.mark.parametrize(
    ("place", "facts", "code", "measured", "limit"),
    [
        ({"quantity": 101, "price": Decimal(1)}, {}, "order_quantity_limit", "101", "100"),
        (
            {"quantity": 60, "price": Decimal(1)},
            {"instrument": Instrument(freeze_quantity=50)},
            "freeze_quantity_limit",
            "60",
            "50",
        ),
        ({"quantity": 100, "price": Decimal("100.05")}, {}, "order_notional_limit", None, "10000"),
        (
            {"quantity": 100, "order_type": "MARKET", "price": None, "market_protection": -1},
            {"market": Market(last_price=Decimal("100.05"))},
            "order_notional_limit",
            "10005.00",
            "10000",
        ),
        (
            {"quantity": 2, "price": Decimal(100)},
            {"instrument": Instrument(units=100)},
            "order_notional_limit",
            "20000",
            "10000",
        ),
        (
            {"quantity": 10},
            {"spent": Spent(quantity=491)},
            "day_quantity_limit",
            "501",
            "500",
        ),
        (
            {"quantity": 10, "price": Decimal(100)},
            {"spent": Spent(turnover=Decimal(49_001))},
            "day_turnover_limit",
            "50001",
            "50000",
        ),
        ({"price": Decimal("110.05")}, {}, "price_band", "110.05", "at most 110.00"),
        (
            {"price": Decimal("89.95"), "transaction_type": "SELL"},
            {},
            "price_band",
            "89.95",
            "at least 90.00",
        ),
        (
            {"price": Decimal("4.05")},
            {"market": Market(last_price=Decimal(2))},
            "price_band",
            "4.05",
            "at most 4.00",
        ),
        (
            {"price": Decimal(100)},
            {"market": Market(last_price=Decimal(100), phase=Phase.CLOSED)},
            "session_closed",
            "closed",
            "a session",
        ),
        (
            {},
            {"market": Market(), "risk": Risk(is_price_needed=True)},
            "last_price_unknown",
            "none",
            "a recent price",
        ),
    ],
)
def test_placement_beyond_a_limit_is_refused_with_measure_and_limit(
    place, facts, code, measured, limit
):
    decision = judged(a_place(**place), **facts)
    assert isinstance(decision, Refuse), decision
    reason = decision.reason
    assert (reason.code, reason.limit) == (code, limit)
    assert measured in (None, reason.measured)
    assert reason.sentence


@pytest.mark.parametrize(
    ("place", "facts"),
    [
        ({"quantity": 100, "price": Decimal(100)}, {}),
        ({"price": Decimal(110)}, {}),
        ({"price": Decimal(1)}, {}),
        ({"price": Decimal(90), "transaction_type": "SELL"}, {}),
        ({"price": Decimal(500), "transaction_type": "SELL"}, {}),
        ({"price": Decimal(500)}, {"market": Market()}),
        ({"variety": "amo"}, {"market": Market(phase=Phase.CLOSED)}),
        ({}, {"market": Market(phase=Phase.PRE_OPEN)}),
        ({}, {"market": Market(phase=Phase.CLOSED), "risk": Risk()}),
        ({"quantity": 10}, {"spent": Spent(quantity=490)}),
        ({"quantity": 50}, {"instrument": Instrument(freeze_quantity=50)}),
        ({"quantity": 10_000_000, "price": Decimal(10_000)}, {"risk": Risk()}),
    ],
)
def test_placement_at_its_limits_is_sent(place, facts):
    assert isinstance(judged(a_place(**place), **facts), Send)


def test_notional_of_a_stop_is_at_its_trigger_where_it_has_no_price():
    stop = a_place(order_type="SL-M", price=None, trigger_price=Decimal(7), quantity=3)
    assert notional_of(stop, Decimal(9), None) == 21


@pytest.mark.parametrize(
    ("price", "expected"), [(101.55, "101.55"), (0.0, None), (float("nan"), None)]
)
def test_rupees_of_a_tick_are_whole_paise(price, expected):
    assert rupees(price) == (expected and Decimal(expected))


def test_freeze_quantities_say_who_says_so():
    assert all(row.quantity > 0 and row.source and row.read_on for row in FREEZE.values())
    assert freeze_quantity("NFO", "NIFTY") == 1800
    assert freeze_quantity("NSE", "NIFTY") == 0


def test_price_band_says_that_the_last_price_is_kites_word_and_how_old():
    market = Market(last_price=Decimal(100), told_s=12.4)
    decision = judged(a_place(price=Decimal(120)), market=market)
    assert isinstance(decision, Refuse)
    assert decision.reason.sentence == (
        "price is 120 rupees with a last price of 100 rupees (not streamed; as Kite told it 12 s "
        "ago), must be at most 110.00 rupees"
    )


@pytest.mark.parametrize(("is_exit", "verdict"), [(True, Send), (False, Refuse)])
def test_way_out_of_a_position_is_not_refused_for_want_of_a_price(is_exit, verdict):
    place = a_place(transaction_type="SELL", price=Decimal(1))
    facts = {"is_exit": is_exit, "exposure": Exposure(position=1)}
    unpriced = {"market": Market(), "risk": Risk(is_price_needed=True)}
    assert isinstance(judged(place, **facts, **unpriced), verdict)


def test_way_out_of_a_position_keeps_to_the_band_where_the_price_is_known():
    place = a_place(transaction_type="SELL", price=Decimal(80))
    decision = judged(place, is_exit=True, exposure=Exposure(position=1))
    assert isinstance(decision, Refuse)
    assert decision.reason.code == "price_band"
