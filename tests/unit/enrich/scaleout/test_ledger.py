"""What may be committed of a partition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.scaleout.ledger import Ledger, OffsetsSkipped


def test_nothing_is_delivered_by_being_taken_in() -> None:
    ledger = Ledger(3, 10)
    assert ledger.admit(10)
    assert ledger.admit(11)
    assert (ledger.delivered, ledger.next) == (10, 12)
    ledger.deliver(11)
    assert ledger.delivered == 11
    ledger.deliver(12)
    assert ledger.delivered == 12
    ledger.deliver(11)
    assert ledger.delivered == 12, "never backwards"


def test_a_message_handed_out_again_is_left_out() -> None:
    ledger = Ledger(3, 10)
    assert ledger.admit(10)
    assert not ledger.admit(10)
    assert not ledger.admit(4)
    assert ledger.next == 11


def test_a_message_behind_a_hole_is_refused_with_what_was_next() -> None:
    ledger = Ledger(3, 10)
    with pytest.raises(OffsetsSkipped, match="partition 3: message 12 came, 10 was next"):
        ledger.admit(12)
    assert ledger.next == 10


@pytest.mark.parametrize(("offset", "continues"), [(8, True), (12, True), (13, False)])
def test_an_assignment_behind_our_place_was_somebody_elses_meanwhile(offset, continues) -> None:
    ledger = Ledger(0, 10)
    ledger.admit(10)
    ledger.admit(11)
    assert ledger.continues_at(offset) is continues


@pytest.mark.slow
@given(st.lists(st.integers(0, 20), max_size=60))
def test_whatever_order_messages_come_in_each_is_admitted_once_and_in_order(offsets) -> None:
    ledger, admitted = Ledger(0, 0), []
    for offset in offsets:
        try:
            if ledger.admit(offset):
                admitted.append(offset)
        except OffsetsSkipped:
            continue
    assert admitted == list(range(len(admitted)))
