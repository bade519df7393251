"""What the calendar says now, as metrics: alerts that go by it are silent while nothing trades."""

from __future__ import annotations

from functools import partial
from typing import Final

from prometheus_client import Gauge

from shared.clock import Clock
from shared.market.calendar import Calendar, CalendarUnknown, date_of
from shared.market.calendar_rows import Phase

_SATURDAY: Final = 5

OPEN: Final = Gauge(
    "tickflow_market_open_info", "1 while the segment trades continuously, else 0.", ["segment"]
)
TRADING_DAY: Final = Gauge(
    "tickflow_market_trading_day_info", "1 on a day the segment trades, be it an hour.", ["segment"]
)


def tell_sessions(calendar: Calendar, clock: Clock) -> None:
    """Answer every scrape from the calendar; what it does not know counts as an ordinary day."""
    for segment in calendar.segments():
        OPEN.labels(segment).set_function(partial(_open, calendar, segment, clock))
        TRADING_DAY.labels(segment).set_function(partial(_trading_day, calendar, segment, clock))


def _open(calendar: Calendar, segment: str, clock: Clock) -> float:
    return float(calendar.presume(segment, clock.now_ns()).phase is Phase.OPEN)


def _trading_day(calendar: Calendar, segment: str, clock: Clock) -> float:
    today = date_of(clock.now_ns())
    try:
        return float(calendar.trading_day(segment, today))
    except CalendarUnknown:
        return float(today.weekday() < _SATURDAY)
