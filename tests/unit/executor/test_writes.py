from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.decide import decide
from executor.rules.decision import Refuse, Send
from executor.rules.writes import Evidence, find, refuse_write, subject_of
from shared.store.rows import Switches
from shared.wire.funds import MfCancel, MfPlace, SipCancel, SipModify, SipPlace
from shared.wire.gtt import Convert, GttDelete, GttModify, GttOrder, GttPlace
from tests.unit.executor.builders import LIMITS, a_row, facts_of

SENT_US = 1_790_000_000_000_000
SENT_AT, EARLIER = "2026-09-21 19:43:20", "2026-09-21 19:43:10"
ORDER = GttOrder(transaction_type="SELL", quantity=2, product="CNC", price=Decimal(1401))


def a_gtt(kind=GttPlace, **facts):
    return kind(
        **{
            "command_id": "command-5",
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "trigger_type": "single",
            "trigger_values": [Decimal(1400)],
            "last_price": Decimal(1500),
            "orders": [ORDER],
            **facts,
        }
    )


def two_leg(*values, **facts):
    values = [Decimal(value) for value in values]
    return a_gtt(trigger_type="two-leg", trigger_values=values, orders=[ORDER] * 2, **facts)


def a_conversion(**facts):
    return Convert(
        **{
            "command_id": "command-6",
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "position_type": "day",
            "quantity": 1,
            "old_product": "MIS",
            "new_product": "CNC",
            **facts,
        }
    )


def a_fund_order(**facts):
    wanted = {"transaction_type": "BUY", "amount": Decimal(1000), **facts}
    return MfPlace(command_id="command-7", tradingsymbol="INF174K01LS2", **wanted)


def a_plan(**facts):
    return SipPlace(
        **{
            "command_id": "command-8",
            "tradingsymbol": "INF174K01LS2",
            "amount": Decimal(1000),
            "instalments": 12,
            "frequency": "monthly",
            **facts,
        }
    )


def a_trigger(**facts):
    return {
        "id": 123,
        "type": "single",
        "status": "active",
        "created_at": SENT_AT,
        "condition": {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "trigger_values": [1400.0],
            "last_price": 1499.0,
        },
        "orders": [
            {"transaction_type": "SELL", "quantity": 2, "product": "CNC", "price": 1401, "x": None}
        ],
        **facts,
    }


def found(write, *, taken=(), tag="t1", **evidence):
    return find(write, Evidence(**evidence), sent_us=SENT_US, tag=tag, taken=frozenset(taken))


@pytest.mark.parametrize(
    "write",
    [
        a_gtt(),
        a_gtt(GttModify, trigger_id=7),
        two_leg(1400, 1600),
        a_conversion(),
        a_plan(),
        a_fund_order(),
        a_fund_order(transaction_type="SELL", amount=None, quantity=Decimal(1)),
        GttDelete(command_id="command-9", trigger_id=7),
        SipModify(command_id="command-9", sip_id="1", status="paused"),
    ],
)
def test_write_that_breaks_no_rule_passes(write):
    assert refuse_write(write, has_funds=True) is None


@pytest.mark.parametrize(
    ("write", "code", "field"),
    [
        (a_gtt(orders=[ORDER] * 2), "trigger_count", "orders"),
        (a_gtt(trigger_type="two-leg"), "trigger_count", "trigger_values"),
        (a_gtt(trigger_values=[Decimal("1.005")]), "price_invalid", "trigger_values[0]"),
        (a_gtt(last_price=Decimal(0)), "price_invalid", "last_price"),
        (a_gtt(trigger_values=[Decimal(1500)]), "trigger_at_price", "trigger_values[0]"),
        (two_leg(1600, 1400), "trigger_order", "trigger_values"),
        (two_leg(1400, 1450), "trigger_order", "trigger_values"),
        (a_conversion(new_product="MIS"), "product_same", "new_product"),
        (a_fund_order(amount=None), "amount_missing", "amount"),
        (a_fund_order(quantity=Decimal(1)), "quantity_unexpected", "quantity"),
        (a_fund_order(transaction_type="SELL"), "quantity_missing", "quantity"),
        (a_plan(amount=Decimal(-1)), "amount_invalid", "amount"),
        (SipModify(command_id="command-9", sip_id="1"), "nothing_to_modify", "amount"),
    ],
)
def test_write_that_breaks_a_rule_names_field_value_and_rule(write, code, field):
    reason = refuse_write(write, has_funds=True)
    assert (reason.code, reason.field) == (code, field)
    assert reason.measured
    assert reason.limit in reason.sentence


@pytest.mark.parametrize(
    "write",
    [
        a_fund_order(),
        MfCancel(command_id="command-9", order_id="a"),
        a_plan(),
        SipModify(command_id="command-9", sip_id="1", status="paused"),
        SipCancel(command_id="command-9", sip_id="1"),
    ],
)
def test_mutual_funds_are_refused_as_switched_off_with_source_and_date(write):
    reason = refuse_write(write, has_funds=False)
    assert (reason.code, reason.limit) == (
        "switched_off",
        "kite.trade/docs/connect/v3/mutual-funds",
    )
    assert "2026-" in reason.measured


def test_trigger_of_unknown_outcome_is_found_by_content_and_time():
    assert found(a_gtt(), triggers=[a_trigger()]) == "123"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [a_trigger(created_at=EARLIER)],
        [a_trigger(created_at="never")],
        [a_trigger(type="two-leg")],
        [a_trigger(orders=[])],
        [a_trigger(condition={})],
        [a_trigger(), a_trigger(id=124)],
    ],
    ids=["none", "older", "no time", "other type", "other orders", "no condition", "two alike"],
)
def test_what_may_not_be_ours_settles_no_trigger(rows):
    assert found(a_gtt(), triggers=rows) is None


def test_trigger_of_another_command_is_not_ours():
    assert found(a_gtt(), triggers=[a_trigger()], taken={"123"}) is None
    rows = [a_trigger(), a_trigger(id=124)]
    assert found(a_gtt(), triggers=rows, taken={"124"}) == "123"


def test_modified_trigger_is_found_once_it_says_what_was_wanted():
    modify = a_gtt(GttModify, trigger_id=123)
    assert found(modify, triggers=[a_trigger(created_at=EARLIER)]) == "123"
    assert found(modify, triggers=[a_trigger(orders=[])]) is None


def test_deleted_trigger_is_found_when_it_waits_no_more_but_not_when_it_is_not_listed():
    delete = GttDelete(command_id="command-9", trigger_id=123)
    assert found(delete, triggers=[a_trigger(status="deleted")]) == "123"
    assert found(delete, triggers=[a_trigger()]) is None
    assert found(delete, triggers=[]) is None


def test_fund_writes_are_found_by_tag_and_by_what_they_changed():
    order = {"order_id": "u-1", "tag": "t1", "order_timestamp": SENT_AT, "status": "OPEN"}
    plan = {"sip_id": "5", "tag": "t1", "created": SENT_AT, "status": "ACTIVE"}
    assert found(a_fund_order(), fund_orders=[order]) == "u-1"
    assert found(a_fund_order(), fund_orders=[order | {"tag": None}]) is None
    assert found(a_plan(), plans=[plan]) == "5"
    cancel = MfCancel(command_id="command-9", order_id="u-1")
    assert found(cancel, fund_orders=[order]) is None
    assert found(cancel, fund_orders=[order | {"status": "CANCELLED"}]) == "u-1"
    end = SipCancel(command_id="command-9", sip_id="5")
    assert found(end, plans=[plan | {"status": "CANCELLED"}]) == "5"
    pause = SipModify(command_id="command-9", sip_id="5", status="paused", amount=Decimal(500))
    changed = plan | {"status": "PAUSED", "instalment_amount": 500.0}
    assert found(pause, plans=[changed]) == "5"
    assert found(pause, plans=[changed | {"instalment_amount": 400}]) is None


def test_nothing_shows_that_a_conversion_took_place():
    assert found(a_conversion()) is None


@pytest.mark.parametrize(
    ("write", "state", "is_sent"),
    [
        (a_gtt(), "HALTED", False),
        (a_gtt(), "REDUCING", False),
        (a_conversion(), "REDUCING", True),
        (a_conversion(), "HALTED", False),
        (GttDelete(command_id="command-9", trigger_id=7), "HALTED", True),
    ],
)
def test_switches_hold_back_what_may_add_but_not_what_ends_something(write, state, is_sent):
    switches = Switches(trading=((state, "account"),))
    decision = decide(facts_of(write, row=a_row(write), switches=switches))
    assert isinstance(decision, Send if is_sent else Refuse)


def test_write_names_what_it_changes():
    assert decide(facts_of(a_gtt(GttModify, trigger_id=7))) == Send(order_id="7")
    assert subject_of(a_gtt()) == ""
    assert LIMITS.has_funds is False
