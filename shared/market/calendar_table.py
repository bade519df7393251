"""Rows of several sheets as one table: which row holds for a segment on a date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import TypeVar

from shared.errors import SettingsError
from shared.market.calendar_rows import (
    TRADING,
    Confidence,
    Coverage,
    DayRow,
    Expiry,
    Hours,
    Row,
    Sheet,
    Source,
    Span,
)

R = TypeVar("R", Hours, Expiry)

_RANK: dict[Confidence, int] = {"low": 0, "medium": 1, "high": 2}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who says so: the source, the day it was read, how far it is to be believed."""

    source: str
    read_on: date
    confidence: Confidence

    def doubted_by(self, other: Origin) -> Origin:
        """Return the same source, believed no further than `other`."""
        lower = min(self.confidence, other.confidence, key=_RANK.__getitem__)
        return Origin(self.source, self.read_on, lower)


class Table:
    """The rows of all sheets; for the same segment on the same date the later sheet wins."""

    def __init__(self, sheets: Sequence[tuple[str, Sheet]]) -> None:
        self._sources: dict[str, Source] = {}
        self._coverage: dict[str, list[Coverage]] = {}
        self._days: dict[tuple[str, date], DayRow] = {}
        self._hours: dict[str, dict[date, Hours]] = {}
        self._expiries: dict[str, dict[date, Expiry]] = {}
        for name, sheet in sheets:
            self._add(name, sheet)
        self._check()

    def segments(self) -> list[str]:
        """Return the segments of which anything is known, in the order of the sheets."""
        return list(self._hours)

    def origin(self, row: Row) -> Origin:
        """Return who says what a row says."""
        source = self._sources[row.source]
        return Origin(source.title, source.read_on, row.confidence or source.confidence)

    def day(self, segment: str, on: date) -> DayRow | None:
        """Return the row of a day that is not regular."""
        return self._days.get((segment, on))

    def coverage(self, segment: str, on: date) -> Coverage | None:
        """Return the row by which a day without one of its own is ordinary."""
        rows = self._coverage.get(segment, ())
        return next((row for row in rows if row.first <= on <= row.last), None)

    def hours(self, segment: str, on: date) -> Hours | None:
        """Return the regular hours in force."""
        return _in_force(self._hours.get(segment, {}), on)

    def expiry(self, exchange: str, on: date) -> tuple[time, Expiry] | None:
        """Return when contracts that expire on a date stop trading."""
        row = _in_force(self._expiries.get(exchange, {}), on)
        if row is None:
            return None
        if row.at is not None:
            return row.at, row
        hours = self.hours(exchange, on)
        # _check made sure that hours begin no later than the expiries that lean on them.
        return (trading_end(hours.phases), row) if hours else None

    def _add(self, name: str, sheet: Sheet) -> None:
        self._sources |= sheet.sources
        for row in sheet.rows():
            if row.source not in self._sources:
                raise SettingsError(f"calendar {name}: no source is called {row.source!r}")
        for covered in sheet.coverage:
            for segment in covered.segments:
                self._coverage.setdefault(segment, []).insert(0, covered)
        self._days |= {(each, row.on): row for row in sheet.days for each in row.segments}
        _spread(self._hours, sheet.hours)
        _spread(self._expiries, sheet.expiries)

    def _check(self) -> None:
        covered = [(s, row.first) for s, rows in self._coverage.items() for row in rows]
        leaning = [
            (exchange, since)
            for exchange, rows in self._expiries.items()
            for since, row in rows.items()
            if row.at is None
        ]
        regular = [(s, on) for (s, on), row in self._days.items() if row.kind == "regular"]
        for segment, on in (*covered, *leaning, *regular):
            if self.hours(segment, on) is None:
                raise SettingsError(f"calendar: no regular hours of {segment} on {on}")


def trading_end(spans: Sequence[Span]) -> time:
    """Return when the last phase of a regular day with trades in it ends; there is one."""
    return max(ends for phase, _, ends in spans if phase in TRADING)


def _in_force(rows: Mapping[date, R], on: date) -> R | None:
    since = [valid_from for valid_from in rows if valid_from <= on]
    return rows[max(since)] if since else None


def _spread(into: dict[str, dict[date, R]], rows: Iterable[R]) -> None:
    for row in rows:
        for segment in row.segments:
            into.setdefault(segment, {})[row.valid_from] = row
