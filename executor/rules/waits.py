"""What a producer is told of a command that does not leave: what it waits for, why it ended."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from executor.rules.facts import Facts
from executor.rules.throttled import is_unread
from shared.wire.orders import Reason

#: A limit of the day's loss is set, and the positions that it is judged by have not been read.
UNRECKONED: Final = Reason(
    code="day_loss_unknown",
    sentence="a limit of the day's loss is set, and the positions have not been read",
)


def why_held(facts: Facts) -> Reason | None:
    """Return what of the account's other orders holds back a command that breaks no rule."""
    if (doubt := facts.switches.in_doubt) is not None:
        return Reason(
            code="like_in_doubt",
            sentence=f"nobody knows yet what became of {doubt}, of the same side and instrument",
            measured=doubt,
        )
    if is_unread(facts):
        return Reason(
            code="book_unread",
            sentence="the broker answered 429; the order book is read before it is sent again",
        )
    return None


def with_value(reason: Reason, facts: Facts) -> Reason:
    """Return the reason with the value of the field that it names, where it does not tell it."""
    if not reason.field or reason.measured:
        return reason
    value = getattr(facts.command, reason.field, None)
    return reason if value is None else replace(reason, measured=str(value))


def expired(facts: Facts, held_by: str) -> Reason:
    """Return why a command's time passed: what held it back, where something did."""
    until = str(facts.row.valid_until_us)
    if not held_by and (reason := why_held(facts)) is not None:
        held_by = reason.sentence
    waited = f"; it waited: {held_by}" if held_by else ""
    return Reason(
        code="expired",
        sentence=f"valid_until_us is {until}, must be after the moment of sending, "
        f"which would have been {facts.now_us}{waited}",
        field="valid_until_us",
        measured=until,
        limit=f"after {facts.now_us}",
    )
