from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from executor.rules.absence import Absent, count_look, first_look, is_closing, is_of_earlier_day

SETTLE_S = (5.0, 30.0, 180.0)
SENT_US = 1_790_000_000_000_000


def look_at(*seconds):
    looks, verdicts = first_look(SENT_US, SETTLE_S), []
    for second in seconds:
        looks, verdict = count_look(
            looks,
            began_us=SENT_US + round(second * 1e6),
            sent_us=SENT_US,
            settle_s=SETTLE_S,
        )
        verdicts.append(verdict)
    return verdicts


def test_absence_is_believed_only_after_a_look_past_each_settle_time():
    assert look_at(5, 30, 180) == [Absent.WAIT, Absent.WAIT, Absent.GIVE_UP]


def test_absence_many_early_looks_prove_nothing():
    assert set(look_at(*range(5))) == {Absent.WAIT}
    assert set(look_at(5, *range(6, 30))) == {Absent.WAIT}


def test_absence_after_a_restart_takes_as_many_looks_some_way_apart():
    assert look_at(600, 600, 601) == [Absent.WAIT] * 3
    assert look_at(600, 605, 610)[-1] is Absent.GIVE_UP


@given(st.lists(st.floats(0, 400), max_size=40))
def test_absence_is_never_believed_before_the_last_settle_time(seconds):
    for second, verdict in zip(sorted(seconds), look_at(*sorted(seconds)), strict=True):
        assert verdict is Absent.WAIT or second >= SETTLE_S[-1] - 1e-6


def test_earlier_day_begins_at_midnight_in_india():
    midnight_us = 1_790_015_400_000_000  # 2026-09-22 00:00 in India
    assert is_of_earlier_day(midnight_us - 1, midnight_us)
    assert not is_of_earlier_day(midnight_us, midnight_us + 86_399_999_999)


def test_day_is_closing_a_minute_before_it_ends():
    midnight_us = 1_790_015_400_000_000  # 00:00 in India
    assert is_of_earlier_day(midnight_us - 1, midnight_us)
    assert not is_closing(midnight_us - 600_000_000, midnight_us - 60_000_001)
    assert is_closing(midnight_us - 600_000_000, midnight_us - 60_000_000)
    assert is_closing(midnight_us - 600_000_000, midnight_us + 1)
