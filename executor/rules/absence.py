"""What it means that the order book does not show what was sent.

One look proves nothing: an order has taken 90 seconds to show. Each of the settle times counts one
look made after it; when all have counted, a person has to look. The book is cleared overnight, so
what was sent on an earlier day is never judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

import msgspec

from shared.resilience.windows import per_day
from shared.wire.orders import Reason

#: The day that order books, their limits, their numbers belong to: midnight to midnight in India.
_DAY = per_day(1)


class Absent(Enum):
    """What follows from one more look that did not settle a command."""

    WAIT = auto()
    GIVE_UP = auto()


class Looks(msgspec.Struct, frozen=True):
    """How many looks have counted, and when the next may, Unix microseconds."""

    counted: int
    next_us: int


def first_look(sent_us: int, settle_s: Sequence[float]) -> Looks:
    """Return the count at the start: the first look counts once the first time has passed."""
    return Looks(0, sent_us + _us(settle_s[0]))


def count_look(
    looks: Looks, *, began_us: int, sent_us: int, settle_s: Sequence[float]
) -> tuple[Looks, Absent]:
    """Count a look that began at `began_us` and did not show the order."""
    if began_us < looks.next_us:
        return looks, Absent.WAIT
    counted = looks.counted + 1
    if counted >= len(settle_s):
        return Looks(counted, looks.next_us), Absent.GIVE_UP
    # After a restart all times may lie in the past; looks in quick succession are still only one.
    next_us = max(sent_us + _us(settle_s[counted]), began_us + _us(settle_s[0]))
    return Looks(counted, next_us), Absent.WAIT


def is_of_earlier_day(sent_us: int, now_us: int) -> bool:
    """Tell whether the book that would show the order may have been cleared since."""
    return _DAY.index(sent_us * 1000) < _DAY.index(now_us * 1000)


#: How long before the day's end what is unknown is left to a person: looks have to succeed by then.
CLOSING_US = 60_000_000


def is_closing(sent_us: int, now_us: int) -> bool:
    """Tell whether the day of the sending ends in a moment, or has ended."""
    return is_of_earlier_day(sent_us, now_us + CLOSING_US)


NEVER_SEEN = Reason(
    code="never_seen",
    sentence="no look at the order book has shown it; a person has to look before anything is sent",
)
NOT_IN_EFFECT = Reason(
    code="not_in_effect", sentence="no look at the order book has shown the change in effect"
)
UNPROVABLE = Reason(
    code="conversion_unproven",
    sentence="nothing at the broker shows whether the conversion took place: compare the positions "
    "of both products, then say so with tickflow orders resolve",
)
BOOK_CLEARED = Reason(
    code="book_cleared", sentence="the day ended before the order book told how it ended"
)


def unknown_order(order_id: str, after_s: float) -> Reason:
    """Return that a cancel named an order which a whole book, read long after it, does not have."""
    return Reason(
        code="target_unknown",
        sentence=f"the broker knows no order {order_id} in today's order book, which was read "
        f"whole {after_s:.0f} s after the cancel was sent: nothing was cancelled",
        field="order_id",
        measured=order_id,
        limit="an order of today's order book",
    )


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
