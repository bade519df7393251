"""What an order event means to whoever waits for it; how it reads."""

from __future__ import annotations

from typing import Final, Literal

from shared.ops.outcome import ExitCode
from shared.ops.tick_rows import clock_text
from shared.wire.orders import OrderEvent, State

Until = Literal["received", "accepted", "final"]

_NS_PER_US = 1000
#: The broker has it.
TAKEN: Final = frozenset({State.ACCEPTED, State.PARTIALLY_ACCEPTED, State.OPEN, State.COMPLETE})
#: It will not happen by itself any more.
FAILED: Final = frozenset(
    {State.REFUSED, State.REJECTED, State.EXPIRED, State.CONFLICT, State.MANUAL}
)


def outcome(event: OrderEvent, until: Until) -> ExitCode | None:
    """Return how the wait ends with this event, None where it goes on."""
    if event.state in FAILED:
        return ExitCode.FAILURE
    if event.state is State.CANCELLED:
        return ExitCode.OK if event.kind == "cancel" else ExitCode.FAILURE
    if until == "received":
        return ExitCode.OK
    if until == "accepted":
        return ExitCode.OK if event.state in TAKEN else None
    return ExitCode.OK if _is_final(event) else None


def line(event: OrderEvent) -> str:
    """Return an event as a line of text, its time in India."""
    what = f"{event.transaction_type} {event.quantity or ''} {event.tradingsymbol}"
    parts = [
        clock_text(event.at_us * _NS_PER_US),
        f"{event.kind:<6}",
        f"{event.event:<12}",
        f"{event.state:<18}",
        " ".join(what.split()),
        f"filled {event.filled_quantity}" if event.filled_quantity else "",
        f"at {event.average_price}" if event.average_price not in {"", "0"} else "",
        f"order {event.order_id}" if event.order_id else "",
        why(event),
    ]
    return " ".join(filter(None, parts)).rstrip()


def why(event: OrderEvent) -> str:
    """Return the reason of an event in words, or an empty text."""
    if event.reason is not None:
        return f"({event.reason.code}: {event.reason.sentence})"
    return f"({event.broker_message})" if event.broker_message else ""


def _is_final(event: OrderEvent) -> bool:
    # A modify is done when the broker took it; an order when it is filled.
    return event.state is State.COMPLETE or (event.kind == "modify" and event.state in TAKEN)
