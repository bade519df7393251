from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from executor.journal.moves import _TOLD
from executor.journal.telling import parse_command, tell, tell_again, tell_malformed
from executor.rules.lifecycle import Step
from shared.errors import MessageError
from shared.wire.orders import OrderEvent, Reason, State
from shared.wire.steps import Told
from tests.unit.executor.builders import a_cancel, a_place, a_placement, a_row, an_order


def test_event_of_a_placement_says_what_was_asked():
    event = tell(Told.RECEIVED, a_row())
    assert (event.kind, event.event, event.state) == ("place", "received", State.RECEIVED)
    assert (event.exchange, event.tradingsymbol, event.quantity) == ("NSE", "INFY", 1)


def test_event_with_an_order_says_what_the_broker_says():
    order = an_order(
        filled_quantity=4,
        pending_quantity=6,
        average_price=Decimal("101.25"),
        status_message="fine",
    )
    event = tell(Told.UPDATED, a_placement(), order=order, reason=Reason(code="c", sentence="s"))
    assert (event.filled_quantity, event.pending_quantity) == (4, 6)
    assert (event.average_price, event.broker_status) == ("101.25", "OPEN")
    assert (event.broker_message, event.version) == ("fine", order.version)
    assert event.reason.code == "c"
    assert event.tag


def test_event_of_an_unfilled_order_has_no_average_price():
    assert tell(Told.UPDATED, a_placement(), order=an_order()).average_price == ""


def test_event_of_a_cancel_needs_no_order():
    assert tell(Told.RECEIVED, a_row(a_cancel())).tradingsymbol == ""


def test_event_told_again_keeps_everything_but_its_name():
    first = tell(Told.ACCEPTED, a_placement(State.ACCEPTED))
    assert msgspec.structs.replace(tell_again(first), event="accepted") == first


WHY = Reason(code="malformed", sentence="why")


@pytest.mark.parametrize(("is_known", "state"), [(False, State.REFUSED), (True, State.CONFLICT)])
def test_malformed_entry_refuses_a_new_id_and_conflicts_with_a_known_one(is_known, state):
    event = tell_malformed("command-1", is_known=is_known, reason=WHY)
    assert (event.state, event.reason) == (state, WHY)


def test_every_event_survives_its_encoding():
    event = tell(Told.UPDATED, a_placement(), order=an_order())
    assert msgspec.json.decode(msgspec.json.encode(event), type=OrderEvent) == event


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("json", msgspec.json.encode), ("msgpack", msgspec.msgpack.encode)],
)
def test_command_is_read_from_the_journal_as_it_was_claimed(encoding, encode):
    place = a_place()
    assert parse_command(a_row(place, encoding=encoding, payload=encode(place))) == place


def test_command_the_journal_cannot_give_back_is_a_message_error():
    with pytest.raises(MessageError):
        parse_command(a_row(payload=b"{"))


def test_every_step_has_a_name_to_be_told_by():
    assert set(_TOLD) == set(Step)
