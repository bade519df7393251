"""When each segment trades: sessions, holidays, special days, each with its source.

The calendar never guesses. Where it has no row it raises `CalendarUnknown`; whoever must go on
asks `presume`, which takes the unknown for open within ordinary hours and says so: a market taken
for open costs a needless look, one taken for closed costs silence that nobody notices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from functools import cache
from typing import Final

from shared.errors import PipelineError
from shared.market.calendar_data import PACKAGED
from shared.market.calendar_rows import TRADING, DayRow, Phase, Span, read_sheet
from shared.market.calendar_table import Origin, Table

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
_MINUTE_NS: Final = 60 * _SECOND_NS
#: IST has been this far ahead of UTC since 1945, without summer time.
_IST_NS: Final = 330 * _MINUTE_NS
_UNIX_EPOCH: Final = date(1970, 1, 1).toordinal()
_SATURDAY: Final = 5
#: Longer than any closure so far; an operator's rows may close a segment for good.
_LOOK_AHEAD_DAYS_MAX: Final = 60


class CalendarUnknown(PipelineError):
    """No row says whether the segment trades then; go on as if open, and say so."""


@dataclass(frozen=True, slots=True)
class Session:
    """One phase of one day of one segment; begins included, ends not, in Unix ns, UTC."""

    segment: str
    on: date
    phase: Phase
    begins_ns: int
    ends_ns: int
    name: str
    origin: Origin

    @property
    def is_trading(self) -> bool:
        """Say whether trades happen in it."""
        return self.phase in TRADING


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one segment; `name` says why it is not an ordinary one, else it is empty."""

    segment: str
    on: date
    name: str
    sessions: tuple[Session, ...]
    origin: Origin

    @property
    def is_trading(self) -> bool:
        """Say whether trades happen on it, be it for an hour."""
        return any(session.is_trading for session in self.sessions)


@dataclass(frozen=True, slots=True)
class Presumption:
    """What to act on; `doubt` says why it is not known, and is empty where it is."""

    phase: Phase
    doubt: str = ""

    @property
    def is_open(self) -> bool:
        """Say whether trades are to be expected."""
        return self.phase in TRADING


class Calendar:
    """Answers from the packaged rows and an operator's own.

    It remembers the days it was asked for; only known days, so their number is bounded by the rows.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._days: dict[tuple[str, date], Day] = {}

    @classmethod
    def load(cls, overrides: bytes | None = None) -> Calendar:
        """Return the packaged calendar; rows of `overrides`, a TOML sheet, win over its own.

        Raises:
            SettingsError: the overrides are malformed.
        """
        sheets = [(name, read_sheet(data, name=name)) for name, data in PACKAGED]
        if overrides is not None:
            sheets.append(("overrides", read_sheet(overrides, name="overrides")))
        return cls(Table(sheets))

    def segments(self) -> list[str]:
        """Return the segments it knows: Kite's names of exchanges."""
        return self._table.segments()

    def day(self, segment: str, on: date) -> Day:
        """Return the sessions of a day, in order.

        Raises:
            CalendarUnknown: no row covers the day, or its hours were never read.
        """
        known = self._days.get((segment, on))
        if known is None:
            known = self._days[segment, on] = self._read(segment, on)
        return known

    def trading_day(self, segment: str, on: date) -> bool:
        """Say whether there is trading on a day.

        Raises:
            CalendarUnknown: see `day`.
        """
        return self.day(segment, on).is_trading

    def known_until(self, segment: str, on: date) -> date | None:
        """Return the last day of the unbroken run of covered days that holds `on`, if one does.

        A worker that warns weeks before gives its operator time to write the next year's rows.
        """
        until = None
        while (covered := self._table.coverage(segment, on)) is not None:
            until, on = covered.last, covered.last + timedelta(days=1)
        return until

    def session_at(self, segment: str, at_ns: int) -> Session | None:
        """Return the session that holds a moment, None between sessions.

        Raises:
            CalendarUnknown: see `day`.
        """
        return _holding(self.day(segment, date_of(at_ns)), at_ns)

    def state(self, segment: str, at_ns: int) -> Phase:
        """Return what the segment is doing.

        In a closing auction only the shares with derivatives are auctioned; the others trade on.

        Raises:
            CalendarUnknown: see `day`.
        """
        session = self.session_at(segment, at_ns)
        return session.phase if session else Phase.CLOSED

    def is_open(self, segment: str, at_ns: int) -> bool:
        """Say whether trades are to be expected.

        Raises:
            CalendarUnknown: see `day`.
        """
        return self.state(segment, at_ns) in TRADING

    def next_open(self, segment: str, at_ns: int) -> int:
        """Return the first moment after `at_ns` at which continuous trading begins, Unix ns.

        Raises:
            CalendarUnknown: it is not known whether a day before it trades.
        """
        first = date_of(at_ns)
        for days in range(_LOOK_AHEAD_DAYS_MAX):
            for session in self.day(segment, first + timedelta(days)).sessions:
                if session.phase is Phase.OPEN and session.begins_ns > at_ns:
                    return session.begins_ns
        raise CalendarUnknown(
            f"{segment} does not open within {_LOOK_AHEAD_DAYS_MAX} days of {first}"
        )

    def presume(self, segment: str, at_ns: int) -> Presumption:
        """Return what to act on when one must: an unknown day is taken for an ordinary one.

        Outside ordinary hours and on weekends that is closed. A day with a session whose hours
        are unknown, and a segment without hours, are taken for open all day.
        """
        try:
            return Presumption(self.state(segment, at_ns))
        except CalendarUnknown as unknown:
            day = self._presumed(segment, date_of(at_ns))
            if day is None:
                return Presumption(Phase.OPEN, str(unknown))
            session = _holding(day, at_ns)
            return Presumption(session.phase if session else Phase.CLOSED, str(unknown))

    def trading_minutes_between(
        self, segment: str, start_ns: int, end_ns: int, *, presume_ordinary: bool = False
    ) -> float:
        """Return the minutes of trading from `start_ns` to `end_ns`, 0 when that is no time.

        With `presume_ordinary` a weekday without rows counts as a regular day: contracts outlive
        the published holidays.

        Raises:
            CalendarUnknown: see `day`; never with `presume_ordinary` for a segment with hours.
        """
        spans = self.trading_spans(segment, start_ns, end_ns, presume_ordinary=presume_ordinary)
        return sum(ends_ns - begins_ns for begins_ns, ends_ns in spans) / _MINUTE_NS

    def trading_spans(
        self, segment: str, start_ns: int, end_ns: int, *, presume_ordinary: bool = False
    ) -> list[tuple[int, int]]:
        """Return when there is trading from `start_ns` to `end_ns`, in order, Unix ns.

        Raises:
            CalendarUnknown: see `trading_minutes_between`.
        """
        spans = []
        last = date_of(end_ns).toordinal()
        for ordinal in range(date_of(start_ns).toordinal(), last + 1):
            day = self._counted(segment, date.fromordinal(ordinal), presume=presume_ordinary)
            for session in day.sessions:
                begins_ns, ends_ns = max(start_ns, session.begins_ns), min(end_ns, session.ends_ns)
                if session.is_trading and begins_ns < ends_ns:
                    spans.append((begins_ns, ends_ns))
        return spans

    def expiry_ns(self, exchange: str, expiry: date) -> int:
        """Return the moment contracts that expire on a date stop trading, Unix ns.

        Raises:
            KeyError: no row for the exchange; its derivatives cannot be priced.
        """
        found = self._table.expiry(exchange, expiry)
        if found is None:
            raise KeyError(exchange)
        return moment_ns(expiry, found[0])

    def expiry_origin(self, exchange: str, expiry: date) -> Origin:
        """Return who says when contracts of an exchange stop trading.

        Raises:
            KeyError: no row for the exchange.
        """
        found = self._table.expiry(exchange, expiry)
        if found is None:
            raise KeyError(exchange)
        return self._table.origin(found[1])

    def _read(self, segment: str, on: date) -> Day:
        row = self._table.day(segment, on)
        if row is not None:
            if row.kind == "unknown":
                raise CalendarUnknown(
                    f"the hours of {segment} on {on} ({row.name}) are in no row of the calendar"
                )
            return self._special(segment, row)
        covered = self._table.coverage(segment, on)
        if covered is None:
            raise CalendarUnknown(f"the holidays of {segment} around {on} are not in the calendar")
        origin = self._table.origin(covered)
        if on.weekday() >= _SATURDAY:
            return Day(segment, on, "weekend", (), origin)
        return self._regular(segment, on, origin)

    def _special(self, segment: str, row: DayRow) -> Day:
        origin = self._table.origin(row)
        if row.kind == "regular":
            regular = self._regular(segment, row.on, origin, row.name)
            return _cut(regular, row.trading_from or time.min, row.trading_until or time.max)
        sessions = _sessions(segment, row.on, row.phases, row.name, origin)
        return Day(segment, row.on, row.name, sessions, origin)

    def _regular(self, segment: str, on: date, origin: Origin, name: str = "") -> Day:
        hours = self._table.hours(segment, on)
        if hours is None:
            raise CalendarUnknown(f"the hours of {segment} on {on} are not in the calendar")
        said = self._table.origin(hours).doubted_by(origin)
        return Day(segment, on, name, _sessions(segment, on, hours.phases, name, said), origin)

    def _presumed(self, segment: str, on: date) -> Day | None:
        hours = self._table.hours(segment, on)
        if hours is None or self._table.day(segment, on) is not None:
            return None
        origin = self._table.origin(hours)
        if on.weekday() >= _SATURDAY:
            return Day(segment, on, "weekend", (), origin)
        return self._regular(segment, on, origin)

    def _counted(self, segment: str, on: date, *, presume: bool) -> Day:
        try:
            return self.day(segment, on)
        except CalendarUnknown:
            if not presume:
                raise
            day = self._presumed(segment, on)
            if day is not None:
                return day
            row = self._table.day(segment, on)
            if row is None:
                raise
            # An hour of festive trading of unknown place weighs less than a guess would.
            return Day(segment, on, row.name, (), self._table.origin(row))


def date_of(at_ns: int) -> date:
    """Return the date in India at a moment of Unix nanoseconds."""
    return date.fromordinal(_UNIX_EPOCH + (at_ns + _IST_NS) // _DAY_NS)


def moment_ns(on: date, at: time) -> int:
    """Return a date and a time in India as Unix nanoseconds."""
    midnight = (on.toordinal() - _UNIX_EPOCH) * _DAY_NS - _IST_NS
    return midnight + (at.hour * 3600 + at.minute * 60 + at.second) * _SECOND_NS


@cache
def packaged_calendar() -> Calendar:
    """Return the calendar without an operator's rows, made once."""
    return Calendar.load()


def _sessions(
    segment: str, on: date, phases: tuple[Span, ...], name: str, origin: Origin
) -> tuple[Session, ...]:
    return tuple(
        Session(segment, on, phase, moment_ns(on, begins), moment_ns(on, ends), name, origin)
        for phase, begins, ends in phases
    )


def _holding(day: Day, at_ns: int) -> Session | None:
    return next((s for s in day.sessions if s.begins_ns <= at_ns < s.ends_ns), None)


def _cut(day: Day, begins: time, ends: time) -> Day:
    begins_ns, ends_ns = moment_ns(day.on, begins), moment_ns(day.on, ends)
    kept = tuple(
        replace(each, begins_ns=max(each.begins_ns, begins_ns), ends_ns=min(each.ends_ns, ends_ns))
        for each in day.sessions
        if each.begins_ns < ends_ns and each.ends_ns > begins_ns
    )
    return replace(day, sessions=kept)
