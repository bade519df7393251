"""What a command waits for although no rule is against it, and what the day's loss lets pass."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from executor.rules.decide import decide
from executor.rules.decide_place import is_exposure_needed
from executor.rules.decision import Refuse, Send, Wait
from executor.rules.reducing import Exposure
from executor.rules.risk import Risk, Spent
from executor.rules.waits import UNRECKONED
from shared.store.rows import Switches
from shared.wire.orders import Reason, State
from tests.unit.executor.builders import (
    LIMITS,
    NOW_US,
    a_modify,
    a_place,
    a_placement,
    a_row,
    an_order,
    facts_of,
)

DOUBT = Switches(in_doubt="command-9")
BOUNDED = replace(LIMITS, risk=Risk(day_loss_max=1000))
#: Ten are held, and nothing is on its way out of them.
HELD = Exposure(position=10)
#: A resting purchase, and a resting sale, of 5 at 101.50 each.
PURCHASE = an_order(transaction_type="BUY", quantity=5, pending_quantity=5)
SALE = an_order(transaction_type="SELL", quantity=5, pending_quantity=5)


def changing(order, *, quantity=None, price=None, **facts):
    modify = a_modify(quantity=quantity, price=price and Decimal(price))
    return decide(facts_of(modify, placement=a_placement(), order=order, **facts))


def throttled(code="throttled"):
    reason = Reason(code=code, sentence="Too many requests")
    return a_row(state=State.ADMITTED, attempts=1, reason=reason, changed_us=NOW_US - 5)


@pytest.mark.parametrize(
    ("looked_us", "expected"),
    [(0, Wait), (NOW_US - 5, Wait), (NOW_US - 4, Send)],
)
def test_placement_that_was_throttled_waits_until_the_book_was_read_since(looked_us, expected):
    decision = decide(facts_of(a_place(), row=throttled(), looked_us=looked_us))
    assert isinstance(decision, expected)
    assert isinstance(decision, Send) or decision.reason.code == "book_unread"


def test_placement_that_never_left_our_side_waits_for_no_book():
    facts = facts_of(a_place(), row=throttled("not_executed"))
    assert decide(facts) == Send(variety="regular")


@pytest.mark.parametrize(("looked_us", "expected"), [(NOW_US - 5, Wait), (NOW_US - 4, Send)])
def test_modify_that_was_throttled_waits_for_the_book_as_well(looked_us, expected):
    modify = a_modify(quantity=4)
    row = replace(throttled(), command_id=modify.command_id, kind="modify")
    facts = facts_of(modify, row=row, placement=a_placement(), order=PURCHASE, looked_us=looked_us)
    assert isinstance(decide(facts), expected)


@pytest.mark.parametrize(
    ("order", "change", "exposure", "is_sent"),
    [
        (PURCHASE, {"quantity": 6}, None, False),
        (PURCHASE, {"price": "102"}, None, False),
        (PURCHASE, {"quantity": 4}, None, True),
        (PURCHASE, {"price": "101"}, None, True),
        (SALE, {"price": "101"}, None, False),
        (SALE, {"price": "101"}, replace(HELD, on_the_way=5, own=5), True),
        # The one in doubt may have sold the rest already.
        (SALE, {"price": "101"}, replace(HELD, on_the_way=12, own=5), False),
    ],
)
def test_change_that_may_add_waits_while_an_order_of_its_side_and_instrument_is_in_doubt(
    order, change, exposure, is_sent
):
    decision = changing(order, **change, exposure=exposure, switches=DOUBT)
    assert isinstance(decision, Send if is_sent else Wait), decision


@pytest.mark.parametrize(("loss", "is_sent"), [("999.99", True), ("1000", False)])
def test_placement_is_refused_once_the_day_has_cost_its_limit(loss, is_sent):
    decision = decide(facts_of(a_place(), limits=BOUNDED, spent=Spent(loss=Decimal(loss))))
    if is_sent:
        assert isinstance(decision, Send)
        return
    assert isinstance(decision, Refuse)
    reason = decision.reason
    assert (reason.code, reason.measured, reason.limit) == ("day_loss_limit", "1000", "1000")


def test_exit_leaves_whatever_the_day_has_cost():
    leaving = facts_of(
        a_place(transaction_type="SELL"), limits=BOUNDED, spent=Spent(loss=Decimal(5000))
    )
    assert is_exposure_needed(leaving)
    assert isinstance(decide(replace(leaving, exposure=HELD)), Send)
    assert isinstance(decide(leaving), Refuse), "a position that is not known is none"


@pytest.mark.parametrize("loss", [Decimal(1000), None], ids=["reached", "unknown"])
@pytest.mark.parametrize(
    ("order", "change", "is_sent"),
    [
        (PURCHASE, {"quantity": 6}, False),
        (PURCHASE, {"quantity": 4}, True),
        (SALE, {"price": "101"}, True),
    ],
)
def test_change_that_may_add_does_not_leave_when_the_day_has_cost_its_limit_or_nobody_knows(
    loss, order, change, is_sent
):
    exposure = replace(HELD, on_the_way=5, own=5) if order is SALE else HELD
    decision = changing(order, **change, limits=BOUNDED, spent=Spent(loss=loss), exposure=exposure)
    held = Wait if loss is None else Refuse
    assert isinstance(decision, Send if is_sent else held), decision


def test_placement_waits_while_the_days_loss_is_not_known_unless_it_only_reduces():
    facts = facts_of(a_place(transaction_type="SELL"), limits=BOUNDED, spent=Spent(loss=None))
    assert is_exposure_needed(facts)
    assert decide(facts) == Wait(reason=UNRECKONED)
    assert isinstance(decide(replace(facts, exposure=HELD)), Send)
    assert isinstance(decide(facts_of(a_place(), spent=Spent(loss=None))), Send), "no limit is set"


def test_what_may_not_be_traded_any_more_may_still_be_left():
    limits = replace(LIMITS, risk=Risk(instruments=("NFO:*",)))
    sale = a_place(transaction_type="SELL")
    refused = decide(facts_of(sale, limits=limits))
    assert isinstance(refused, Refuse)
    assert refused.reason.code == "instrument_not_allowed"
    assert isinstance(decide(facts_of(sale, limits=limits, is_exit=True, exposure=HELD)), Send)
