"""How many requests fit into a calendar second, minute or day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploy.sandbox.refusals import too_many_orders, too_many_requests

RequestClass = Literal["quote", "historical", "order", "other"]

#: Requests per calendar second and key.
#: Source: kite.trade/docs/connect/v3/exceptions (read 2026-11).
PER_SECOND_MAX: dict[RequestClass, int] = {"quote": 1, "historical": 3, "order": 10, "other": 10}
#: Order requests per account. Source: the same page.
ORDERS_PER_MINUTE_MAX = 400
#: Placements per account, refused ones included. Source: the same page.
PLACEMENTS_PER_DAY_MAX = 5_000
#: Changes of one order. Source: the same page.
MODIFICATIONS_PER_ORDER_MAX = 25

SECOND_S = 1
MINUTE_S = 60
DAY_S = 86_400
IST_OFFSET_S = 19_800


@dataclass(slots=True)
class CalendarWindow:
    """Counts what happened in the current calendar period; forgets it in the next."""

    limit: int
    period_s: int
    _period: int = -1
    _count: int = 0

    def admit(self, now_s: int) -> bool:
        """Count one more and say whether it still fitted; what does not fit is not counted."""
        # Days turn at midnight in India; seconds plus minutes turn together everywhere.
        period = (now_s + IST_OFFSET_S) // self.period_s
        if period != self._period:
            self._period, self._count = period, 0
        if self._count >= self.limit:
            return False
        self._count += 1
        return True

    def used(self, now_s: int) -> int:
        """Return how many were admitted in the period of `now_s`."""
        return self._count if (now_s + IST_OFFSET_S) // self.period_s == self._period else 0


class RequestLimits:
    """The rates of every key with the order caps of every account."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._seconds: dict[tuple[str, RequestClass], CalendarWindow] = {}
        self._minutes: dict[str, CalendarWindow] = {}
        self._days: dict[str, CalendarWindow] = {}

    def admit(self, key: str, request_class: RequestClass, now_s: int) -> None:
        """Count one request of a key (an account for orders).

        Raises:
            KiteRejected: the calendar second is full (429), or the account's minute is.
        """
        if not self.enabled:
            return
        limit = PER_SECOND_MAX[request_class]
        window = self._seconds.setdefault((key, request_class), CalendarWindow(limit, SECOND_S))
        if not window.admit(now_s):
            raise too_many_requests()
        if request_class != "order":
            return
        minute = self._minutes.setdefault(key, CalendarWindow(ORDERS_PER_MINUTE_MAX, MINUTE_S))
        if not minute.admit(now_s):
            raise too_many_orders()

    def admit_placement(self, account: str, now_s: int) -> None:
        """Count one placement of an account.

        Raises:
            KiteRejected: the account's day is full.
        """
        day = self._days.setdefault(account, CalendarWindow(PLACEMENTS_PER_DAY_MAX, DAY_S))
        if self.enabled and not day.admit(now_s):
            raise too_many_orders()

    def placements_today(self, account: str, now_s: int) -> int:
        """Return how many placements of an account the day has counted."""
        window = self._days.get(account)
        return 0 if window is None else window.used(now_s)
