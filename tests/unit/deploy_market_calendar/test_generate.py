"""The sheet that is written from the libraries."""

from __future__ import annotations

from datetime import date, timedelta

from deploy.market_calendar.generate import SHEET, Library, Period, sheet
from shared.market.calendar_rows import read_sheet

PERIOD = Period(date(2026, 1, 19), date(2026, 2, 1), date(2026, 11, 22))
WEEKDAYS = frozenset(day for n in range(14) if (day := PERIOD.first + timedelta(n)).weekday() < 5)
HOLIDAY = date(2026, 1, 26)
DISPUTED = date(2026, 1, 29)


def test_sheet_has_a_row_for_every_closed_weekday_and_doubts_what_is_disputed() -> None:
    one = Library("one 1.0", WEEKDAYS - {HOLIDAY})
    other = Library("other 2.0", WEEKDAYS - {HOLIDAY, DISPUTED})
    read = read_sheet(sheet(PERIOD, (one, other)).encode(), name="made")
    assert [(row.on, row.kind, row.confidence) for row in read.days] == [
        (HOLIDAY, "closed", None),
        (DISPUTED, "closed", "low"),
    ]
    assert read.sources["libraries"].title == "one 1.0 and other 2.0"
    assert [(row.first, row.last) for row in read.coverage] == [(PERIOD.first, PERIOD.last)]


def test_sheet_in_the_program_is_what_the_generator_writes() -> None:
    text = SHEET.read_text()
    read = read_sheet(text.encode(), name="packaged")
    covered = read.coverage[0]
    weekdays = frozenset(
        day
        for n in range((covered.last - covered.first).days + 1)
        if (day := covered.first + timedelta(n)).weekday() < 5
    )
    closed = frozenset(row.on for row in read.days)
    disputed = frozenset(row.on for row in read.days if row.confidence == "low")
    source = read.sources["libraries"]
    one, other = source.title.split(" and ")
    again = sheet(
        Period(covered.first, covered.last, source.read_on),
        (Library(one, weekdays - closed), Library(other, (weekdays - closed) | disputed)),
    )
    assert again == text
