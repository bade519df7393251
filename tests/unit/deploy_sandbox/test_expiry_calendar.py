"""Expiries round holidays, month ends and their own instant."""

from datetime import date, datetime

from deploy.sandbox.expiry_calendar import (
    IST,
    THURSDAY,
    TUESDAY,
    ExpiryRule,
    date_in_india,
    is_trading_day,
    live_expiries,
)

WEEKLY = ExpiryRule(TUESDAY, weeklies=4, monthlies=3)


def india(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=IST).timestamp())  # type: ignore[arg-type]


def test_live_expiries_of_a_weekly_underlying_are_four_weeks_with_three_months() -> None:
    found = live_expiries(WEEKLY, india(2026, 9, 16, 10))
    assert [(expiry.day, expiry.code()) for expiry in found] == [
        (date(2026, 9, 22), "26922"),
        (date(2026, 9, 29), "26SEP"),
        (date(2026, 10, 6), "26O06"),
        (date(2026, 10, 13), "26O13"),
        (date(2026, 10, 27), "26OCT"),
        (date(2026, 11, 23), "26NOV"),
    ]


def test_live_expiries_on_a_holiday_move_to_the_trading_day_before() -> None:
    nearest = live_expiries(WEEKLY, india(2026, 11, 22, 12))[0]
    assert nearest.day == date(2026, 11, 23)
    assert nearest.code() == "26NOV"


def test_live_expiries_stay_until_their_instant_and_are_gone_at_it() -> None:
    assert live_expiries(WEEKLY, india(2026, 12, 1, 15, 39, 59))[0].day == date(2026, 12, 1)
    assert live_expiries(WEEKLY, india(2026, 12, 1, 15, 40))[0].day == date(2026, 12, 8)


def test_live_expiries_without_weeklies_are_the_last_weekdays_of_months() -> None:
    found = live_expiries(ExpiryRule(THURSDAY, weeklies=0, monthlies=3), india(2026, 12, 2, 9))
    assert [expiry.code() for expiry in found] == ["26DEC", "27JAN", "27FEB"]


def test_live_expiries_over_a_year_always_lie_on_trading_days_in_order() -> None:
    for day in range(365):
        now_s = india(2026, 9, 1, 9) + day * 86_400
        found = live_expiries(WEEKLY, now_s)
        assert all(is_trading_day(expiry.day) and expiry.instant_s() > now_s for expiry in found)
        assert list(found) == sorted(set(found))
        assert sum(expiry.monthly for expiry in found) == 3


def test_date_in_india_turns_at_half_past_six_in_the_evening_utc() -> None:
    assert date_in_india(india(2026, 12, 1, 23, 59, 59)) == date(2026, 12, 1)
    assert date_in_india(india(2026, 12, 2, 0, 0, 0)) == date(2026, 12, 2)
