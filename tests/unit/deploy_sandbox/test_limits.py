"""Rates by the calendar."""

from datetime import datetime

import pytest

from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.limits import CalendarWindow, RequestLimits
from shared.errors import KiteRejected

NOW_S = int(datetime(2026, 11, 25, 10, tzinfo=IST).timestamp())


def test_window_full_in_one_second_is_empty_in_the_next() -> None:
    window = CalendarWindow(limit=2, period_s=1)
    assert [window.admit(NOW_S) for _ in range(3)] == [True, True, False]
    assert window.admit(NOW_S + 1)


def test_window_of_a_day_turns_at_midnight_in_india() -> None:
    midnight_s = int(datetime(2026, 11, 26, tzinfo=IST).timestamp())
    window = CalendarWindow(limit=1, period_s=86_400)
    assert window.admit(midnight_s - 1)
    assert not window.admit(midnight_s - 1)
    assert window.admit(midnight_s)


@pytest.mark.parametrize(
    ("request_class", "limit"), [("quote", 1), ("historical", 3), ("order", 10), ("other", 10)]
)
def test_limits_refuse_the_call_above_the_second_with_a_429(request_class, limit: int) -> None:
    limits = RequestLimits()
    for _ in range(limit):
        limits.admit("key", request_class, NOW_S)
    with pytest.raises(KiteRejected, match="Too many requests") as caught:
        limits.admit("key", request_class, NOW_S)
    assert caught.value.status == 429
    limits.admit("another key", request_class, NOW_S)


def test_limits_refuse_the_order_above_the_minute() -> None:
    limits = RequestLimits()
    for number in range(400):
        limits.admit("SB0001", "order", NOW_S + number // 10)
    with pytest.raises(KiteRejected, match="Maximum allowed order requests exceeded"):
        limits.admit("SB0001", "order", NOW_S + 41)
    limits.admit("SB0001", "order", NOW_S + 60)


def test_limits_refuse_the_placement_above_the_day() -> None:
    limits = RequestLimits()
    for _ in range(5000):
        limits.admit_placement("SB0001", NOW_S)
    with pytest.raises(KiteRejected, match="Maximum allowed order requests exceeded"):
        limits.admit_placement("SB0001", NOW_S)
    assert limits.placements_today("SB0001", NOW_S) == 5000
    assert limits.placements_today("SB0001", NOW_S + 86_400) == 0


def test_limits_switched_off_admit_everything() -> None:
    limits = RequestLimits(enabled=False)
    for _ in range(50):
        limits.admit("key", "quote", NOW_S)
