"""The life of an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.matching import Fill
from deploy.sandbox.orders import TERMINAL, Order, Status, Ticket, advance, fill, refuse
from shared.errors import IllegalTransition


def order(status: Status = Status.OPEN, quantity: int = 100) -> Order:
    ticket = Ticket(
        variety="regular",
        exchange="NSE",
        symbol="INFY",
        token=408065,
        side="BUY",
        quantity=quantity,
        product="CNC",
        order_type="LIMIT",
        price=100_00,
        trigger_price=0,
        validity="DAY",
        validity_ttl=0,
        disclosed_quantity=0,
        market_protection=0.0,
        tag=None,
        tags=(),
    )
    return Order(
        order_id="1", user_id="SB0001", ticket=ticket, status=status, placed_s=1, updated_s=1
    )


def adds_up(found: Order) -> bool:
    if found.status is Status.REJECTED:
        return found.pending == 0
    return found.pending + found.filled + found.cancelled == found.ticket.quantity


def test_order_placed_passes_through_the_brokers_words_in_order() -> None:
    found = order(Status.RECEIVED)
    for status in (Status.VALIDATION_PENDING, Status.OPEN_PENDING, Status.OPEN, Status.COMPLETE):
        found = advance(found, status, 5)
    assert found.status == "COMPLETE"
    assert found.updated_s == 5


@pytest.mark.parametrize("status", sorted(TERMINAL))
@pytest.mark.parametrize("following", list(Status))
def test_order_that_ended_never_moves_again(status: Status, following: Status) -> None:
    with pytest.raises(IllegalTransition):
        advance(order(status), following, 5)


def test_order_filled_in_part_stays_open_with_the_rest() -> None:
    found = fill(order(), (Fill(100_00, 30),), 7)
    assert (found.status, found.filled, found.pending) == (Status.OPEN, 30, 70)
    assert found.average == 100_00
    assert adds_up(found)


def test_order_filled_whole_is_complete_at_the_mean_price() -> None:
    found = fill(order(), (Fill(100_00, 50), Fill(102_00, 50)), 7)
    assert found.status is Status.COMPLETE
    assert found.average == 101_00
    assert adds_up(found)


def test_order_filled_beyond_its_quantity_is_a_bug() -> None:
    with pytest.raises(IllegalTransition):
        fill(order(), (Fill(100_00, 101),), 7)


def test_order_cancelled_after_a_part_keeps_what_traded() -> None:
    found = advance(fill(order(), (Fill(100_00, 30),), 7), Status.CANCEL_PENDING, 8)
    found = advance(found, Status.CANCELLED, 9)
    assert (found.filled, found.cancelled, found.pending) == (30, 70, 0)


def test_order_refused_says_why_twice() -> None:
    found = refuse(order(Status.OPEN_PENDING), "Too dear", "16283 : Too dear", 3)
    assert (found.status, found.message, found.message_raw) == (
        Status.REJECTED,
        "Too dear",
        "16283 : Too dear",
    )
    assert (found.pending, found.filled, found.cancelled) == (0, 0, 0)


@given(st.lists(st.sampled_from(list(Status)), max_size=12))
def test_order_quantities_add_up_along_every_path(path: list[Status]) -> None:
    found = order(Status.RECEIVED)
    for status in path:
        try:
            found = advance(found, status, 1)
        except IllegalTransition:
            continue
        assert adds_up(found)
