from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.guard import Instrument, refuse_place
from executor.rules.risk import Risk, refuse_size
from tests.unit.executor.builders import a_place

NIFTY = Instrument(lot_size=65, tick_size_paise=5, freeze_quantity=1800)
FUTURE = {"exchange": "NFO", "tradingsymbol": "NIFTY26NOVFUT", "product": "NRML"}
ICEBERG = {"variety": "iceberg", "quantity": 10, "iceberg_legs": 4, "iceberg_quantity": 3}
COVER = {"variety": "co", "product": "MIS", "trigger_price": Decimal(95)}


@pytest.mark.parametrize(
    "fields",
    [
        ICEBERG,
        ICEBERG | {"quantity": 12},
        COVER,
        COVER | {"order_type": "MARKET", "price": None, "market_protection": -1.0},
        {"variety": "auction", "auction_number": "22"},
        {"variety": "amo", "autoslice": True},
        {"autoslice": True},
        {"algo_id": "A-1"},
    ],
)
def test_placement_that_keeps_the_rules_of_its_variety_passes(fields):
    assert refuse_place(a_place(**fields), None) is None


@pytest.mark.parametrize(
    ("fields", "code", "field", "measured"),
    [
        ({"variety": "iceberg"}, "iceberg_mismatch", "iceberg_legs", "absent"),
        (ICEBERG | {"iceberg_quantity": None}, "iceberg_mismatch", "iceberg_quantity", "absent"),
        ({"iceberg_legs": 4}, "iceberg_mismatch", "iceberg_legs", "4"),
        (ICEBERG | {"quantity": 13}, "iceberg_uneven", "iceberg_quantity", "3"),
        (ICEBERG | {"quantity": 9}, "iceberg_uneven", "iceberg_quantity", "3"),
        ({"variety": "auction"}, "auction_mismatch", "auction_number", "absent"),
        ({"auction_number": "22"}, "auction_mismatch", "auction_number", "22"),
        (
            FUTURE | {"variety": "auction", "auction_number": "22"},
            "variety_unsupported",
            "exchange",
            "NFO",
        ),
        (COVER | {"trigger_price": None}, "cover_trigger", "trigger_price", "absent"),
        (COVER | {"product": "CNC"}, "cover_product", "product", "CNC"),
        (COVER | {"order_type": "SL"}, "cover_type", "order_type", "SL"),
        (FUTURE | {"product": "CNC"}, "product_unsupported", "product", "CNC"),
        (FUTURE | {"disclosed_quantity": 1}, "disclosed_unsupported", "disclosed_quantity", "1"),
        (ICEBERG | {"autoslice": True}, "autoslice_unsupported", "autoslice", "true"),
    ],
)
def test_placement_against_a_rule_of_its_variety_names_field_value_and_rule(
    fields, code, field, measured
):
    reason = refuse_place(a_place(**fields), None)
    assert (reason.code, reason.field, reason.measured) == (code, field, measured)
    assert reason.limit
    assert reason.limit in reason.sentence


@pytest.mark.parametrize(
    ("quantity", "is_refused"),
    [(65, False), (1755, False), (1820, True), (3445, True), (3510, False), (17615, True)],
)
def test_autoslice_takes_two_to_ten_slices_or_none(quantity, is_refused):
    place = a_place(**FUTURE, quantity=quantity, autoslice=True)
    reason = refuse_place(place, NIFTY)
    assert (reason is not None) == is_refused
    assert reason is None or reason.code == "slices"


def test_what_the_broker_sends_in_pieces_is_bounded_by_the_freeze_quantity_piece_by_piece():
    risk = Risk()
    whole = a_place(**FUTURE, quantity=3510)
    assert refuse_size(whole, risk, NIFTY).code == "freeze_quantity_limit"
    assert refuse_size(a_place(**FUTURE, quantity=3510, autoslice=True), risk, NIFTY) is None
    iceberg = {"variety": "iceberg", "iceberg_legs": 2, "iceberg_quantity": 1755}
    assert refuse_size(a_place(**FUTURE, quantity=3510, **iceberg), risk, NIFTY) is None


def test_iceberg_leg_of_no_whole_lots_is_refused():
    iceberg = {"variety": "iceberg", "iceberg_legs": 2, "iceberg_quantity": 100, "quantity": 130}
    reason = refuse_place(a_place(**FUTURE, **iceberg), NIFTY)
    assert (reason.code, reason.field) == ("quantity_not_in_lots", "iceberg_quantity")
