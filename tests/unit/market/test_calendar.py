"""Sessions, holidays and special days, as the packaged rows have them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.market.calendar import Calendar, CalendarUnknown, date_of, moment_ns
from shared.market.calendar_rows import IST, Phase

CALENDAR = Calendar.load()
EQUITY = ("NSE", "BSE", "NFO", "BFO")
ALL = tuple(CALENDAR.segments())
MINUTE_NS = 60 * 10**9

#: Moments of 2026, when every segment is covered; the last days are left to look ahead into.
MOMENTS = st.integers(
    moment_ns(date(2026, 1, 1), time(0, 0)), moment_ns(date(2026, 12, 28), time(0, 0))
)
DAYS_2026 = st.dates(date(2026, 1, 1), date(2026, 12, 31))


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()) * 10**9


def text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, IST).isoformat(" ", "minutes")[:16]


def hours(segment: str, on: date) -> list[tuple[str, str, str]]:
    return [
        (each.phase.value, text(each.begins_ns)[11:], text(each.ends_ns)[11:])
        for each in CALENDAR.day(segment, on).sessions
    ]


@pytest.mark.parametrize(
    ("segment", "at", "state"),
    [
        # The closing auction came on 2026-08-03, a Monday; the Friday before is as it always was.
        ("NSE", "2026-07-31 09:00", Phase.PRE_OPEN),
        ("NSE", "2026-07-31 15:29", Phase.OPEN),
        ("NSE", "2026-07-31 15:30", Phase.CLOSED),
        ("NSE", "2026-07-31 15:59", Phase.POST_CLOSE),
        ("NSE", "2026-08-03 15:14", Phase.OPEN),
        ("NSE", "2026-08-03 15:15", Phase.CLOSING_AUCTION),
        ("BSE", "2026-08-03 15:34", Phase.CLOSING_AUCTION),
        ("BSE", "2026-08-03 15:40", Phase.CLOSED),
        ("BSE", "2026-08-03 15:50", Phase.POST_CLOSE),
        ("NFO", "2026-07-31 15:35", Phase.CLOSED),
        ("NFO", "2026-08-03 15:39", Phase.OPEN),
        ("BFO", "2026-08-03 15:40", Phase.CLOSED),
        ("NFO", "2025-12-05 09:10", Phase.CLOSED),
        ("NFO", "2025-12-08 09:10", Phase.PRE_OPEN),
        ("CDS", "2026-08-03 16:59", Phase.OPEN),
        ("CDS", "2026-02-19 11:00", Phase.CLOSED),
        ("NFO", "2026-02-19 11:00", Phase.OPEN),
        # The evening follows the clocks of the United States.
        ("MCX", "2026-03-06 23:40", Phase.OPEN),
        ("MCX", "2026-03-09 23:40", Phase.CLOSED),
        ("MCX", "2026-11-02 23:40", Phase.OPEN),
    ],
)
def test_segment_at_a_moment_is_in_its_phase(segment: str, at: str, state: Phase) -> None:
    assert CALENDAR.state(segment, ns(at)) is state


@pytest.mark.parametrize("segment", EQUITY)
def test_holiday_and_weekend_are_closed(segment: str) -> None:
    for on in (date(2026, 1, 26), date(2026, 11, 24), date(2026, 1, 15), date(2026, 11, 21)):
        assert not CALENDAR.trading_day(segment, on), on
        assert CALENDAR.day(segment, on).name


def test_muhurat_of_2025_is_one_hour_of_a_holiday() -> None:
    assert hours("NFO", date(2025, 10, 21)) == [("open", "13:45", "14:45")]
    assert hours("NSE", date(2025, 10, 21))[0] == ("pre_open", "13:30", "13:45")
    assert not CALENDAR.is_open("NFO", ns("2025-10-21 11:00"))


def test_saturday_drill_has_two_sessions() -> None:
    assert hours("NFO", date(2024, 3, 2)) == [
        ("open", "09:15", "10:00"),
        ("open", "11:30", "12:30"),
    ]
    assert text(CALENDAR.next_open("NFO", ns("2024-03-02 10:30"))) == "2024-03-02 11:30"


def test_budget_sunday_has_regular_hours() -> None:
    assert CALENDAR.is_open("NFO", ns("2026-02-01 15:29"))
    assert hours("MCX", date(2026, 2, 1)) == [("open", "09:00", "17:00")]
    assert not CALENDAR.trading_day("CDS", date(2026, 2, 1))


def test_commodity_holiday_may_close_the_morning_only() -> None:
    assert hours("MCX", date(2026, 3, 3)) == [("open", "17:00", "23:55")]
    assert hours("MCX", date(2026, 5, 1)) == [("open", "17:00", "23:30")]
    assert hours("MCX", date(2026, 4, 3)) == []


def test_session_says_who_says_so_and_is_believed_no_more_than_its_day() -> None:
    early = CALENDAR.session_at("NFO", ns("2026-08-04 10:00"))
    late = CALENDAR.session_at("NFO", ns("2026-10-05 10:00"))
    assert early is not None
    assert late is not None
    assert (early.origin.confidence, late.origin.confidence) == ("high", "medium")
    assert "FAOP74467" in early.origin.source
    assert early.origin.read_on == date(2026, 11, 22)


def test_session_between_sessions_is_none() -> None:
    assert CALENDAR.session_at("NSE", ns("2026-08-04 15:40")) is None


@pytest.mark.parametrize(
    ("segment", "at"),
    [
        ("NFO", "2027-01-04 10:00"),
        ("NFO", "2023-12-29 10:00"),
        ("MCX", "2025-06-02 10:00"),
        ("NFO", "2026-11-08 18:30"),
        ("NSEIX", "2026-06-01 10:00"),
    ],
)
def test_day_without_rows_is_unknown_not_guessed(segment: str, at: str) -> None:
    for ask in (CALENDAR.state, CALENDAR.session_at, CALENDAR.is_open, CALENDAR.next_open):
        with pytest.raises(CalendarUnknown, match=segment):
            ask(segment, ns(at))


def test_next_open_past_the_last_known_day_is_unknown() -> None:
    with pytest.raises(CalendarUnknown, match="2027-01-01"):
        CALENDAR.next_open("NFO", ns("2026-12-31 10:00"))


def test_known_until_is_the_end_of_the_unbroken_run() -> None:
    assert CALENDAR.known_until("NFO", date(2024, 6, 3)) == date(2026, 12, 31)
    assert CALENDAR.known_until("CDS", date(2026, 8, 21)) == date(2026, 12, 31)
    assert CALENDAR.known_until("CDS", date(2025, 8, 21)) is None
    assert CALENDAR.known_until("NSEIX", date(2026, 8, 21)) is None


@pytest.mark.parametrize(
    ("segment", "at", "phase"),
    [
        ("NFO", "2027-01-04 10:00", Phase.OPEN),
        ("NFO", "2027-01-04 20:00", Phase.CLOSED),
        ("NFO", "2027-01-03 10:00", Phase.CLOSED),
        ("NFO", "2026-11-08 18:30", Phase.OPEN),
        ("NSEIX", "2026-06-01 10:00", Phase.OPEN),
    ],
)
def test_presumption_about_the_unknown_is_an_ordinary_day_with_a_doubt(
    segment: str, at: str, phase: Phase
) -> None:
    presumed = CALENDAR.presume(segment, ns(at))
    assert presumed.phase is phase
    assert segment in presumed.doubt


@given(st.sampled_from(ALL), MOMENTS)
def test_presumption_about_the_known_is_the_state_without_a_doubt(segment: str, at: int) -> None:
    if date_of(at) == date(2026, 11, 8):
        return
    presumed = CALENDAR.presume(segment, at)
    assert (presumed.phase, presumed.doubt) == (CALENDAR.state(segment, at), "")
    assert presumed.is_open is CALENDAR.is_open(segment, at)


@given(st.sampled_from(ALL), DAYS_2026)
def test_sessions_of_a_day_are_ordered_apart_and_on_that_day(segment: str, on: date) -> None:
    if on == date(2026, 11, 8):
        return
    before = moment_ns(on, time(0, 0))
    for session in CALENDAR.day(segment, on).sessions:
        assert before <= session.begins_ns < session.ends_ns
        assert date_of(session.begins_ns) == date_of(session.ends_ns) == on
        before = session.ends_ns


@given(st.sampled_from(ALL), DAYS_2026)
def test_weekend_is_closed_unless_it_is_special(segment: str, on: date) -> None:
    specials = {date(2026, 2, 1), date(2026, 11, 8)}
    if on.weekday() >= 5 and on not in specials:
        assert CALENDAR.day(segment, on).sessions == ()


@given(st.sampled_from(ALL), MOMENTS)
def test_next_open_is_later_and_the_segment_is_open_then_but_not_just_before(
    segment: str, at: int
) -> None:
    if date(2026, 10, 25) <= date_of(at) <= date(2026, 11, 8):
        return  # the way may lead across the day whose hours nobody has read
    opens = CALENDAR.next_open(segment, at)
    assert opens > at
    assert CALENDAR.state(segment, opens) is Phase.OPEN
    assert CALENDAR.state(segment, opens - 1) is not Phase.OPEN
    assert opens - at < timedelta(days=8) // timedelta(microseconds=1) * 1000


@given(st.sampled_from(ALL), MOMENTS)
def test_session_that_holds_a_moment_holds_it(segment: str, at: int) -> None:
    if date_of(at) == date(2026, 11, 8):
        return
    session = CALENDAR.session_at(segment, at)
    if session is not None:
        assert session.begins_ns <= at < session.ends_ns


def test_trading_minutes_of_a_day_are_its_sessions() -> None:
    whole = ns("2026-07-31 00:00"), ns("2026-08-01 00:00")
    assert CALENDAR.trading_minutes_between("NFO", *whole) == 375
    assert CALENDAR.trading_minutes_between("NFO", ns("2026-08-03 15:00"), whole[0]) == 0
    new = ns("2026-08-03 00:00"), ns("2026-08-04 00:00")
    assert CALENDAR.trading_minutes_between("NFO", *new) == 385
    assert CALENDAR.trading_minutes_between("NSE", *new) == 380  # 20 of them an auction
    assert CALENDAR.trading_minutes_between("NFO", ns("2026-08-03 15:10"), new[1]) == 30


@given(st.sampled_from(EQUITY), st.tuples(MOMENTS, MOMENTS, MOMENTS).map(sorted))
def test_trading_minutes_add_up(segment: str, at: list[int]) -> None:
    minutes = CALENDAR.trading_minutes_between
    first, middle, last = at
    whole = minutes(segment, first, last, presume_ordinary=True)
    parts = (
        minutes(segment, first, middle, presume_ordinary=True),
        minutes(segment, middle, last, presume_ordinary=True),
    )
    assert 0 <= whole <= (last - first) / MINUTE_NS
    assert whole == pytest.approx(sum(parts))


def test_trading_minutes_into_the_unknown_need_a_presumption() -> None:
    week = ns("2027-01-04 00:00"), ns("2027-01-11 00:00")
    with pytest.raises(CalendarUnknown):
        CALENDAR.trading_minutes_between("NFO", *week)
    assert CALENDAR.trading_minutes_between("NFO", *week, presume_ordinary=True) == 5 * 385
    diwali = ns("2026-11-08 00:00"), ns("2026-11-09 00:00")
    assert CALENDAR.trading_minutes_between("NFO", *diwali, presume_ordinary=True) == 0
    with pytest.raises(CalendarUnknown):
        CALENDAR.trading_minutes_between("NSEIX", *week, presume_ordinary=True)


@pytest.mark.parametrize(
    ("exchange", "expiry", "at"),
    [
        ("NFO", date(2026, 7, 28), "15:30"),
        ("BFO", date(2026, 8, 6), "15:40"),
        ("NFO", date(2031, 6, 24), "15:40"),
        ("CDS", date(2026, 11, 26), "12:30"),
        ("MCX", date(2027, 2, 5), "23:30"),
    ],
)
def test_expiry_is_the_end_of_trading_or_the_time_its_row_gives(
    exchange: str, expiry: date, at: str
) -> None:
    assert text(CALENDAR.expiry_ns(exchange, expiry)) == f"{expiry} {at}"
    assert CALENDAR.expiry_origin(exchange, expiry).source


def test_expiry_of_an_exchange_without_rows_is_a_key_error() -> None:
    for ask in (CALENDAR.expiry_ns, CALENDAR.expiry_origin):
        with pytest.raises(KeyError, match="NSEIX"):
            ask("NSEIX", date(2026, 1, 1))


@pytest.mark.slow
@given(st.dates(date(1970, 1, 2), date(2200, 1, 1)), st.times())
def test_moment_of_a_date_in_india_is_on_that_date(on: date, at: time) -> None:
    at = at.replace(microsecond=0, fold=0)
    moment = datetime.combine(on, at, tzinfo=IST)
    assert moment_ns(on, at) == round(moment.timestamp()) * 10**9
    assert date_of(moment_ns(on, at)) == on
