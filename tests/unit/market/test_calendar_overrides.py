"""An operator's rows win over the packaged ones; what is malformed is refused by name."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from shared.market.calendar import Calendar, CalendarUnknown
from shared.market.calendar_rows import IST, Phase

SOURCE = """
[sources.desk]
title = "the desk, by telephone"
read_on = 2026-11-06
confidence = "medium"
"""
MUHURAT = f"""{SOURCE}
[[days]]
on = 2026-11-08
segments = ["NSE", "NFO"]
name = "Muhurat"
kind = "special"
phases = [["pre_open", 17:45:00, 18:00:00], ["open", 18:00:00, 19:00:00]]
source = "desk"
"""


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()) * 10**9


def test_row_of_the_operator_wins_over_the_packaged_one() -> None:
    calendar = Calendar.load(MUHURAT.encode())
    assert calendar.state("NFO", ns("2026-11-08 18:30")) is Phase.OPEN
    assert calendar.state("NFO", ns("2026-11-08 12:00")) is Phase.CLOSED
    assert calendar.day("NSE", date(2026, 11, 8)).origin.source == "the desk, by telephone"
    with pytest.raises(CalendarUnknown):
        calendar.state("BFO", ns("2026-11-08 18:30"))


def test_row_of_one_day_makes_that_day_known_and_no_other() -> None:
    rows = MUHURAT.replace("on = 2026-11-08", "on = 2027-10-29")
    calendar = Calendar.load(rows.encode())
    assert calendar.trading_day("NFO", date(2027, 10, 29))
    with pytest.raises(CalendarUnknown):
        calendar.trading_day("NFO", date(2027, 10, 28))


def test_coverage_of_the_operator_makes_a_year_known_in_the_hours_in_force() -> None:
    rows = f"""{SOURCE}
[[coverage]]
segments = ["NFO"]
first = 2027-01-01
last = 2027-12-31
source = "desk"
[[hours]]
segments = ["NFO"]
valid_from = 2027-06-01
phases = [["open", 09:00:00, 16:00:00]]
source = "desk"
"""
    calendar = Calendar.load(rows.encode())
    assert calendar.next_open("NFO", ns("2026-12-31 10:00")) == ns("2027-01-01 09:15")
    assert calendar.next_open("NFO", ns("2027-05-31 10:00")) == ns("2027-06-01 09:00")
    assert calendar.expiry_ns("NFO", date(2027, 6, 8)) == ns("2027-06-08 16:00")


def test_segment_closed_for_good_opens_within_no_time() -> None:
    days = "".join(
        f"[[days]]\non = {date.fromordinal(date(2026, 6, 1).toordinal() + n)}\n"
        'segments = ["CDS"]\nname = "closed"\nkind = "closed"\nsource = "desk"\n'
        for n in range(70)
    )
    calendar = Calendar.load((SOURCE + days).encode())
    with pytest.raises(CalendarUnknown, match="CDS does not open within 60 days of 2026-06-01"):
        calendar.next_open("CDS", ns("2026-06-01 10:00"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("days = 3", "Expected `array`"),
        ("[[days]", "calendar overrides:"),
        (MUHURAT.replace("Muhurat", "M").replace('kind = "special"', 'kind = "odd"'), "kind"),
        (MUHURAT.replace("name =", "title ="), "title"),
        (MUHURAT.replace("special", "closed"), "phases belong to kind special"),
        (MUHURAT + "trading_from = 17:00:00", "belong to kind regular only"),
        (MUHURAT.replace('source = "desk"', 'source = "rumour"'), "no source is called 'rumour'"),
        (MUHURAT.replace("18:00:00, 19:00:00", "17:50:00, 19:00:00"), "begins before 18:00"),
        (MUHURAT.replace("18:00:00, 19:00:00", "19:00:00, 19:00:00"), "is empty"),
        (MUHURAT.replace('"open"', '"closed"'), "closed is what lies between"),
        (MUHURAT.replace('["NSE", "NFO"]', '["NFO", "NFO"]'), "two day rows for NFO"),
        (MUHURAT.replace('["NSE", "NFO"]', "[]"), "names no segment"),
        (
            (
                f'{SOURCE}[[coverage]]\nsegments = ["NSEIX"]\nfirst = 2027-01-01\n'
                'last = 2027-12-31\nsource = "desk"'
            ),
            "no regular hours of NSEIX on 2027-01-01",
        ),
        (
            (
                f'{SOURCE}[[coverage]]\nsegments = ["NFO"]\nfirst = 2027-01-01\n'
                'last = 2026-12-31\nsource = "desk"'
            ),
            "coverage ends on 2026-12-31",
        ),
        (
            (
                f'{SOURCE}[[hours]]\nsegments = ["NFO"]\nvalid_from = 2027-01-01\n'
                'phases = [["pre_open", 09:00:00, 09:15:00]]\nsource = "desk"'
            ),
            "nothing is traded",
        ),
    ],
)
def test_malformed_rows_are_refused_in_a_sentence(rows: str, said: str) -> None:
    with pytest.raises(SettingsError, match="calendar") as refused:
        Calendar.load(rows.encode())
    assert said in str(refused.value)


@pytest.mark.slow
@given(st.binary(max_size=200))
def test_any_bytes_are_a_calendar_or_a_settings_error(data: bytes) -> None:
    with suppress(SettingsError):
        Calendar.load(data)
