"""What an order event means to whoever waits."""

from __future__ import annotations

import pytest

from shared.ops.answers import line, outcome
from shared.ops.outcome import ExitCode
from shared.wire.orders import OrderEvent, Reason, State


def event(state: State, kind: str = "place", **more) -> OrderEvent:
    return OrderEvent(
        sequence=1,
        account="SB0001",
        command_id="test-0001",
        kind=kind,
        event="updated",
        state=state,
        at_us=1_764_000_000_123_456,
        **more,
    )


@pytest.mark.parametrize(
    ("state", "kind", "until", "expected"),
    [
        (State.RECEIVED, "place", "received", ExitCode.OK),
        (State.RECEIVED, "place", "accepted", None),
        (State.SENDING, "place", "accepted", None),
        (State.UNKNOWN, "place", "accepted", None),
        (State.OPEN, "place", "accepted", ExitCode.OK),
        (State.OPEN, "place", "final", None),
        (State.COMPLETE, "place", "final", ExitCode.OK),
        (State.CANCELLED, "place", "final", ExitCode.FAILURE),
        (State.CANCELLED, "cancel", "final", ExitCode.OK),
        (State.ACCEPTED, "cancel", "final", None),
        (State.ACCEPTED, "modify", "final", ExitCode.OK),
        (State.REFUSED, "place", "received", ExitCode.FAILURE),
        (State.REJECTED, "cancel", "accepted", ExitCode.FAILURE),
        (State.MANUAL, "place", "final", ExitCode.FAILURE),
    ],
)
def test_outcome_by_state_kind_and_what_was_waited_for(state, kind, until, expected) -> None:
    assert outcome(event(state, kind), until) is expected


def test_line_tells_time_state_order_and_reason() -> None:
    text = line(
        event(
            State.REJECTED,
            transaction_type="BUY",
            quantity=1,
            tradingsymbol="INFY",
            order_id="77",
            reason=Reason(code="margin", sentence="not enough of it"),
        )
    )
    assert text.startswith("21:30:00.123456 place ")
    assert text.endswith("BUY 1 INFY order 77 (margin: not enough of it)")


def test_line_quotes_the_broker_where_we_have_no_reason() -> None:
    assert line(event(State.REJECTED, broker_message="RMS: no")).endswith("(RMS: no)")
