"""Rates counted by the calendar: so many in each second, minute, day.

Zerodha counts orders in calendar seconds of its own clock, not in rolling ones: a bucket that
refills smoothly can still put too many into one of them. Whoever calls passes the *server's*
time, that is its own plus the offset it has estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
DAY_NS: Final = 86_400 * SECOND_NS
#: India has one zone without daylight saving, so its days are as long as UTC's.
IST_OFFSET_NS: Final = 19_800 * SECOND_NS


class Window(Struct, frozen=True):
    """A limit on each calendar window of one length."""

    name: str
    length_ns: Annotated[int, Meta(gt=0)]
    limit: Annotated[int, Meta(ge=0)]
    #: How far the calendar is ahead of UTC; matters to windows longer than half an hour.
    offset_ns: int = 0

    def index(self, now_ns: int) -> int:
        """Return the number of the window that holds this moment."""
        return (now_ns + self.offset_ns) // self.length_ns

    def starts_ns(self, index: int) -> int:
        """Return the first moment of a window, Unix nanoseconds."""
        return index * self.length_ns - self.offset_ns


class Used(Struct, frozen=True):
    """What has been taken from one window so far."""

    index: int
    count: int


Usage = Mapping[str, Used]


class Admission(Struct, frozen=True):
    """Whether the request fits, with the usage that follows.

    When refused, `blocked_by` names the window that opens last and `retry_at_ns` is the first
    moment worth asking again; it is None where the request can never fit.
    """

    admitted: bool
    usage: Usage
    blocked_by: str = ""
    retry_at_ns: int | None = None


def per_second(limit: int) -> Window:
    """Return a limit on each calendar second."""
    return Window(name="second", length_ns=SECOND_NS, limit=limit)


def per_minute(limit: int) -> Window:
    """Return a limit on each calendar minute."""
    return Window(name="minute", length_ns=MINUTE_NS, limit=limit)


def per_day(limit: int) -> Window:
    """Return a limit on each calendar day in India."""
    return Window(name="day", length_ns=DAY_NS, limit=limit, offset_ns=IST_OFFSET_NS)


def admit(
    windows: Sequence[Window],
    usage: Usage,
    now_ns: int,
    *,
    weight: int = 1,
    reserve: Mapping[str, int] | None = None,
) -> Admission:
    """Take `weight` from every window, or from none.

    `reserve` keeps that much of a window, by name, for others: cancels ask without one. A clock
    that steps back stays in the newest window it has seen, so no window is filled twice.
    """
    assert weight >= 0, "a request cannot give back"
    kept = reserve or {}
    taken: dict[str, Used] = {}
    blocking: list[tuple[Window, int]] = []
    for window in windows:
        used = _used_now(window, usage, now_ns)
        taken[window.name] = Used(used.index, used.count + weight)
        if used.count + weight > window.limit - kept.get(window.name, 0):
            blocking.append((window, used.index))
    if blocking:
        return _refused(usage, blocking, weight, kept)
    return Admission(admitted=True, usage={**usage, **taken})


def remaining(window: Window, usage: Usage, now_ns: int) -> int:
    """Return how much of the window that holds `now_ns` is left."""
    return max(0, window.limit - _used_now(window, usage, now_ns).count)


def _used_now(window: Window, usage: Usage, now_ns: int) -> Used:
    index = window.index(now_ns)
    used = usage.get(window.name)
    return used if used is not None and used.index >= index else Used(index, 0)


def _refused(
    usage: Usage,
    blocking: Sequence[tuple[Window, int]],
    weight: int,
    kept: Mapping[str, int],
) -> Admission:
    opens = [(window.starts_ns(index + 1), window.name) for window, index in blocking]
    retry_at_ns, blocked_by = max(opens)
    for window, _index in blocking:
        if weight > window.limit - kept.get(window.name, 0):
            return Admission(admitted=False, usage=usage, blocked_by=window.name)
    return Admission(admitted=False, usage=usage, blocked_by=blocked_by, retry_at_ns=retry_at_ns)
