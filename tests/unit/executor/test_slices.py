from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.rules.lifecycle import Step
from executor.rules.slices import NAMED, is_cut, named, parent_of, together
from tests.unit.executor.builders import a_place, an_order

SLICED = a_place(quantity=30, autoslice=True)
ICEBERG = a_place(variety="iceberg", quantity=30, iceberg_legs=3, iceberg_quantity=10)


def slices(*facts):
    return [an_order(order_id=str(number), **each) for number, each in enumerate(facts, start=1)]


OPEN = {"status": "OPEN"}
ENTERING = {"status": "OPEN PENDING"}
DONE = {"status": "COMPLETE", "filled_quantity": 10, "pending_quantity": 0}
GONE = {"status": "CANCELLED", "cancelled_quantity": 10, "pending_quantity": 0}
UNSEEN = {"status": NAMED, "quantity": 0, "pending_quantity": 0}
NO = {"status": "REJECTED", "pending_quantity": 0, "status_message": "no funds"}


@pytest.mark.parametrize(
    ("seen", "refused", "step"),
    [
        ((OPEN, OPEN, OPEN), 0, Step.SEEN_OPEN),
        ((ENTERING, ENTERING, ENTERING), 0, Step.SEEN_ENTERING),
        ((DONE, OPEN, ENTERING), 0, Step.SEEN_OPEN),
        ((DONE, DONE, DONE), 0, Step.SEEN_COMPLETE),
        ((DONE, DONE), 1, Step.SEEN_CANCELLED),
        ((DONE, DONE), None, Step.SEEN_OPEN),
        ((DONE, DONE), 0, Step.SEEN_PART),
        ((OPEN, OPEN), 1, Step.SEEN_PART),
        ((OPEN,), None, Step.SEEN_OPEN),
        ((OPEN, NO), None, Step.SEEN_PART),
        ((OPEN, UNSEEN, UNSEEN), 0, Step.SEEN_OPEN),
        ((DONE, UNSEEN, UNSEEN), 0, Step.SEEN_OPEN),
        ((DONE, UNSEEN, UNSEEN), 1, Step.SEEN_PART),
        ((DONE, GONE, DONE), 0, Step.SEEN_CANCELLED),
        ((DONE, NO, DONE), 0, Step.SEEN_CANCELLED),
        ((DONE, NO, OPEN), 0, Step.SEEN_PART),
        ((NO, NO, NO), 0, Step.SEEN_REJECTED),
    ],
)
def test_sliced_placement_is_where_all_its_orders_are(seen, refused, step):
    assert together(SLICED, slices(*seen), first="1", refused=refused).step is step


@pytest.mark.parametrize("seen", [(OPEN,), (DONE,), (DONE, OPEN)])
def test_sliced_placement_whose_answer_is_lost_is_what_its_orders_are_for(seen):
    found = together(SLICED, slices(*seen), first="1", refused=None, is_lost=True)
    assert found.step is Step.SEEN_PART


def test_sliced_placement_counts_as_accepted_what_lies_in_orders_that_were_taken():
    seen = slices(DONE, OPEN, NO)
    seen[0] = an_order(order_id="1", average_price=Decimal(100), **DONE)
    whole = together(SLICED, seen, first="1", refused=0).order
    assert (whole.quantity, whole.accepted_quantity, whole.filled_quantity) == (30, 20, 10)
    assert (whole.order_id, whole.average_price, whole.pending_quantity) == ("1", 100, 20)


def test_average_price_of_slices_is_weighted_by_what_each_filled():
    views = [
        an_order(order_id="1", filled_quantity=10, average_price=Decimal(100)),
        an_order(order_id="2", filled_quantity=5, average_price=Decimal(106)),
    ]
    assert together(SLICED, views, first="1", refused=0).order.average_price == Decimal(102)


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        ((OPEN,), Step.SEEN_OPEN),
        ((DONE,), Step.SEEN_OPEN),
        ((DONE, DONE), Step.SEEN_OPEN),
        ((DONE, DONE, DONE), Step.SEEN_COMPLETE),
        ((DONE, GONE), Step.SEEN_CANCELLED),
        ((NO,), Step.SEEN_REJECTED),
    ],
)
def test_iceberg_is_complete_only_when_the_fills_of_its_legs_add_up(seen, step):
    assert together(ICEBERG, slices(*seen), first="1", refused=None).step is step


def test_slice_that_was_only_named_keeps_its_placement_alive():
    views = [*slices(DONE, DONE), named("9", "1")]
    assert together(SLICED, views, first="1", refused=1).step is Step.SEEN_PART


def test_mark_of_a_slice_names_the_first_one():
    assert parent_of(an_order(tags=("tf1", "autoslice", "autoslice:77"))) == "77"
    assert parent_of(an_order(tags=("tf1", "autoslice"))) is None


def test_placement_is_cut_by_autoslice_or_as_an_iceberg():
    assert [is_cut(each) for each in (SLICED, ICEBERG, a_place())] == [True, True, False]


@given(st.permutations([DONE, GONE, OPEN, NO]))
def test_order_in_which_slices_are_seen_does_not_matter(facts):
    views = [an_order(order_id=str(id(each)), **each) for each in facts]
    found = together(a_place(quantity=40, autoslice=True), views, first=None, refused=None)
    assert (found.step, found.order.filled_quantity) == (Step.SEEN_PART, 10)
