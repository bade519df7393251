"""Time to expiry in time that is traded, by the packaged calendar; pure.

Trading time stands still while a segment is closed. A year of it is 252 days as long as the one on
which the contract expires. What is not in the calendar yet counts as an ordinary weekday.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Final

import numpy as np

from enrich.contracts import Contracts
from shared.market.calendar import Calendar, CalendarUnknown, date_of, moment_ns

TRADING_DAYS: Final = 252
#: A day of trading where the calendar does not know how long the expiry's own is, in ns.
_MIDNIGHT: Final = time.min
DAY_NS: Final = 375 * 60_000_000_000


class TradingSheet:
    """One segment's trading time from a day on, as a line that rises only while it trades."""

    def __init__(self, calendar: Calendar, segment: str, first: date, last: date) -> None:
        """Raises CalendarUnknown for a segment whose hours nobody knows."""
        self.begins_ns = moment_ns(first, _MIDNIGHT)
        ends_ns = moment_ns(last + timedelta(1), _MIDNIGHT)
        spans = calendar.trading_spans(segment, self.begins_ns, ends_ns, presume_ordinary=True)
        self.edges_ns = np.array([edge for span in spans for edge in span], np.int64)
        lengths = [0, *(length for begins, ends in spans for length in (ends - begins, 0))]
        self._traded_ns = np.cumsum(np.array(lengths[: len(self.edges_ns)], np.int64))

    def traded_ns(self, at_ns: np.ndarray) -> np.ndarray:
        """Return how much was traded since the sheet begins, ns, shape (n,)."""
        if not len(self.edges_ns):
            return np.zeros(len(at_ns))
        # Counted from the sheet's begin: doubles hold nanoseconds of years exactly.
        edges = (self.edges_ns - self.begins_ns).astype(np.float64)
        moments = (np.asarray(at_ns) - self.begins_ns).astype(np.float64)
        found: np.ndarray = np.interp(moments, edges, self._traded_ns.astype(np.float64))
        return found

    def year_ns(self, expiry_ns: int) -> float:
        """Return a trading year of a contract."""
        day = date_of(expiry_ns)
        ends = np.array([moment_ns(each, _MIDNIGHT) for each in (day, day + timedelta(1))])
        begun, ended = self.traded_ns(ends)
        return TRADING_DAYS * float(ended - begun or DAY_NS)


class TradingTime:
    """Sets what the kernel needs to read trading time off a group, window by window."""

    def __init__(self, contracts: Contracts, calendar: Calendar) -> None:
        self._groups = contracts.groups
        self._exchanges = contracts.exchanges
        self._calendar = calendar
        self._sheets: dict[str, TradingSheet | None] = {}
        self._day: date | None = None

    def turn_to(self, at_ns: int) -> tuple[int, int]:
        """Have the groups ready for a moment; return from when until when they are, Unix ns."""
        day = date_of(at_ns)
        if day != self._day:
            self._day = day
            self._sheets = {name: self._sheet(name, day) for name in self._exchanges}
        begins_ns = moment_ns(day, _MIDNIGHT)
        ends_ns = moment_ns(day + timedelta(1), _MIDNIGHT)
        for sheet in filter(None, self._sheets.values()):
            edges = sheet.edges_ns
            begins_ns = max(begins_ns, int(edges[edges <= at_ns].max(initial=begins_ns)))
            ends_ns = min(ends_ns, int(edges[edges > at_ns].min(initial=ends_ns)))
        for name, known in self._sheets.items():
            if known is not None:
                self._set(known, self._exchanges[name], begins_ns, ends_ns)
        return begins_ns, ends_ns

    def _sheet(self, exchange: str, day: date) -> TradingSheet | None:
        """Return the sheet of an exchange, None for one whose hours nobody knows."""
        last = date_of(int(self._groups["expiry_ns"][self._exchanges[exchange]].max()))
        try:
            return TradingSheet(self._calendar, exchange, day, max(day, last))
        except CalendarUnknown:
            return None

    def _set(self, sheet: TradingSheet, rows: np.ndarray, begins_ns: int, ends_ns: int) -> None:
        expiry_ns = self._groups["expiry_ns"][rows]
        at_begin, at_end = sheet.traded_ns(np.array([begins_ns, ends_ns]))
        years = {int(each): sheet.year_ns(int(each)) for each in np.unique(expiry_ns)}
        self._groups["window_left_ns"][rows] = expiry_ns - ends_ns
        self._groups["window_ns"][rows] = at_end - at_begin
        self._groups["traded_left_ns"][rows] = sheet.traded_ns(expiry_ns) - at_end
        self._groups["trading_year_ns"][rows] = [years[each] for each in expiry_ns.tolist()]
