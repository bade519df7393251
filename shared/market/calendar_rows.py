"""The rows a trading calendar is made of, as a TOML sheet states them.

A sheet says: [sources.NAME] with title, read_on, confidence; [[coverage]] the dates for which all
holidays are known; [[hours]] the phases of a regular day from a date on; [[days]] the days that
are not regular; [[expiries]] when contracts that expire on a date stop trading. Times are IST.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta, timezone
from enum import StrEnum
from typing import Final, Literal

import msgspec

from shared.errors import SettingsError

IST: Final = timezone(timedelta(hours=5, minutes=30), "IST")

Confidence = Literal["high", "medium", "low"]


class Phase(StrEnum):
    """What a segment is doing."""

    PRE_OPEN = "pre_open"
    OPEN = "open"
    CLOSING_AUCTION = "closing_auction"
    POST_CLOSE = "post_close"
    CLOSED = "closed"


#: Phases in which trades happen, so that silence means something.
TRADING: Final = frozenset({Phase.OPEN, Phase.CLOSING_AUCTION})

Span = tuple[Phase, time, time]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a row was read, on which day, how far it is to be believed."""

    title: str
    read_on: date
    confidence: Confidence


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every row says: of which segments, who says so."""

    segments: tuple[str, ...]
    source: str
    confidence: Confidence | None = None


class Coverage(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every day from `first` to `last` that has no row of its own is an ordinary one."""

    first: date
    last: date


class Hours(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The phases of a regular day, until a row with a later `valid_from`."""

    valid_from: date
    phases: tuple[Span, ...]


class DayRow(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A day that is not what its weekday says.

    `closed`: a holiday. `regular`: regular hours, on a weekend too, cut to `trading_from` and
    `trading_until` where given. `special`: just these `phases`. `unknown`: a session was announced
    whose hours nobody here has read.
    """

    on: date
    name: str
    kind: Literal["closed", "regular", "special", "unknown"]
    phases: tuple[Span, ...] = ()
    trading_from: time | None = None
    trading_until: time | None = None


class Expiry(Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Contracts expiring from `valid_from` on trade until `at`, else to the end of trading."""

    valid_from: date
    at: time | None = None


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of rows."""

    sources: dict[str, Source] = {}
    coverage: tuple[Coverage, ...] = ()
    hours: tuple[Hours, ...] = ()
    days: tuple[DayRow, ...] = ()
    expiries: tuple[Expiry, ...] = ()

    def rows(self) -> Iterator[Row]:
        """Yield every row of whatever kind."""
        for rows in (self.coverage, self.hours, self.days, self.expiries):
            yield from rows


def read_sheet(data: bytes, *, name: str) -> Sheet:
    """Return the checked sheet; its sources are looked up later, they may stand in another one.

    Raises:
        SettingsError: not TOML, a row is not of its form, or two rows say the same thing.
    """
    try:
        sheet = msgspec.toml.decode(data, type=Sheet)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"calendar {name}: {error}") from error
    for row in sheet.rows():
        if not row.segments:
            raise SettingsError(f"calendar {name}: a row names no segment: {row}")
    for problem in _problems(sheet):
        raise SettingsError(f"calendar {name}: {problem}")
    return sheet


def _problems(sheet: Sheet) -> Iterator[str]:
    for covered in sheet.coverage:
        if covered.last < covered.first:
            yield f"coverage ends on {covered.last}, before it begins on {covered.first}"
    for hours in sheet.hours:
        yield from _spans(hours.phases, f"hours from {hours.valid_from}")
        if not any(phase in TRADING for phase, _, _ in hours.phases):
            yield f"hours from {hours.valid_from}: nothing is traded in any phase"
    for day in sheet.days:
        yield from _day(day)
    yield from _twice("day", ((each, row.on) for row in sheet.days for each in row.segments))
    yield from _twice("hours", ((s, row.valid_from) for row in sheet.hours for s in row.segments))
    yield from _twice(
        "expiry", ((s, row.valid_from) for row in sheet.expiries for s in row.segments)
    )


def _day(day: DayRow) -> Iterator[str]:
    if (day.kind == "special") != bool(day.phases):
        yield f"day {day.on}: phases belong to kind special, and to it only"
    if day.kind != "regular" and (day.trading_from or day.trading_until):
        yield f"day {day.on}: trading_from and trading_until belong to kind regular only"
    yield from _spans(day.phases, f"day {day.on}")


def _spans(spans: tuple[Span, ...], where: str) -> Iterator[str]:
    before = time.min
    for phase, begins, ends in spans:
        if phase is Phase.CLOSED:
            yield f"{where}: closed is what lies between phases, not one of them"
        if begins.tzinfo or ends.tzinfo or not before <= begins < ends:
            yield f"{where}: {phase} {begins}-{ends} is empty or begins before {before}"
        before = ends


def _twice(what: str, keys: Iterable[tuple[str, date]]) -> Iterator[str]:
    seen: set[tuple[str, date]] = set()
    for key in keys:
        if key in seen:
            yield f"two {what} rows for {key[0]} on {key[1]}"
        seen.add(key)
