"""Sentences that name a quantity or money say of what."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from executor.journal.telling import tell_disagreement
from executor.rules.decide import decide
from executor.rules.decision import Refuse
from executor.rules.guard import Instrument
from executor.rules.reducing import Exposure
from executor.rules.risk import Market, Risk, Spent
from executor.rules.spreading import spread_exit
from executor.rules.units import counted
from shared.store.rows import Switches
from shared.wire.families import Exit
from shared.wire.orders import Reason
from tests.unit.executor.builders import LIMITS, a_modify, a_place, an_order, facts_of

RISK = Risk(
    order_quantity_max=100,
    order_notional_max=10_000,
    day_quantity_max=500,
    day_turnover_max=50_000,
    day_loss_max=1_000,
)
MCX = {"exchange": "MCX", "tradingsymbol": "GOLDM26DECFUT", "product": "NRML"}
NFO = {"exchange": "NFO", "tradingsymbol": "NIFTY26DECFUT", "product": "NRML"}
REDUCING = {"switches": Switches(trading=(("REDUCING", "global"),))}


def sentence_of(command, **facts):
    limits = replace(LIMITS, risk=RISK)
    decision = decide(facts_of(command, **{"limits": limits, "market": Market(), **facts}))
    assert isinstance(decision, Refuse), decision
    return decision.reason.sentence


@pytest.mark.parametrize(
    ("place", "facts", "sentence"),
    [
        ({"quantity": 101}, {}, "order_quantity would be 101 shares, must be at most 100 shares"),
        (
            {"quantity": 101, **MCX},
            {},
            "order_quantity would be 101 lots, must be at most 100 lots",
        ),
        (
            {"quantity": 60, **NFO},
            {"instrument": Instrument(freeze_quantity=50)},
            "freeze_quantity would be 60 units, must be at most 50 units",
        ),
        (
            {"quantity": 100, "price": Decimal("100.05")},
            {},
            "order_notional would be 10005.00 rupees, must be at most 10000 rupees",
        ),
        (
            {},
            {"spent": Spent(quantity=500)},
            "day_quantity would be 501 units, must be at most 500 units",
        ),
        (
            {},
            {"spent": Spent(turnover=Decimal(50_000))},
            "day_turnover would be 50101.50 rupees, must be at most 50000 rupees",
        ),
        (
            {},
            {"spent": Spent(loss=Decimal(1_000))},
            "the day's loss is 1000 rupees, must be below 1000 rupees for anything but exits",
        ),
        (
            {"quantity": 15, **NFO},
            {"instrument": Instrument(lot_size=10)},
            "quantity is 15 units, must be a multiple of 10 units",
        ),
        (
            {"price": Decimal("101.53")},
            {"instrument": Instrument(tick_size_paise=5)},
            "price is 101.53 rupees, must be a multiple of 0.05 rupees",
        ),
        (
            {"disclosed_quantity": 2},
            {},
            "disclosed_quantity is 2 shares, must be at most 1 shares",
        ),
        (
            {"quantity": 55, "autoslice": True, **NFO},
            {"instrument": Instrument(freeze_quantity=50)},
            "quantity is 55 units, must be 2 to 10 slices of 50 units, or at most 50 units unsliced",
        ),
        (
            {"transaction_type": "SELL", "quantity": 4},
            {**REDUCING, "exposure": Exposure(position=5, on_the_way=2)},
            (
                "trading is REDUCING (global): the position is 5 shares, 2 shares on the way out "
                "of it, so SELL 4 shares does not only reduce"
            ),
        ),
    ],
)
def test_refusal_names_the_unit_of_what_it_measures(place, facts, sentence):
    assert sentence_of(a_place(**place), **facts) == sentence


def test_refusal_of_a_modify_names_the_unit_of_what_has_filled():
    order = an_order(filled_quantity=4, pending_quantity=6)
    sentence = sentence_of(a_modify(target_command_id=None, order_id="1", quantity=3), order=order)
    assert sentence == "quantity is 3 shares, must be above the 4 filled shares"


def test_refusal_of_an_exit_names_the_unit_of_the_position():
    leaving = Exit(
        command_id="1", exchange="MCX", tradingsymbol="GOLDM26DECFUT", product="NRML", quantity=3
    )
    reason = spread_exit(leaving, Exposure(position=2, on_the_way=1))
    assert isinstance(reason, Reason)
    assert reason.sentence == (
        "the position is 2 lots, 1 lot on the way out of it, so at most 1 lot can be closed, "
        "not 3 lots"
    )


def test_positions_that_disagree_are_told_with_their_unit():
    told = tell_disagreement("NFO", "NIFTY26DECFUT", traded=75, changed=-1)
    assert told.reason is not None
    assert told.reason.sentence == (
        "NFO:NIFTY26DECFUT: the day's trades come to 75 units, its positions changed by -1 unit; "
        "a person has to look"
    )


@pytest.mark.parametrize(
    ("quantity", "exchange", "text"),
    [(1, "NSE", "1 share"), (0, "BSE", "0 shares"), (-2, "MCX", "-2 lots"), (1, "CDS", "1 unit")],
)
def test_quantity_is_said_in_its_exchanges_unit(quantity, exchange, text):
    assert counted(quantity, exchange) == text
