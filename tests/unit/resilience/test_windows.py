"""Rates counted by the calendar."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.resilience.windows import (
    DAY_NS,
    MINUTE_NS,
    SECOND_NS,
    Usage,
    Window,
    admit,
    per_day,
    per_minute,
    per_second,
    remaining,
)

START_NS = 1_775_000_000 * SECOND_NS
IST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def at(*moment: int) -> int:
    return int(dt.datetime(*moment, tzinfo=IST).timestamp()) * SECOND_NS


def take(windows: list[Window], usage: Usage, now_ns: int, times: int) -> Usage:
    for _ in range(times):
        admission = admit(windows, usage, now_ns)
        assert admission.admitted
        usage = admission.usage
    return usage


def test_admit_past_the_limit_of_a_second_waits_for_the_next_calendar_second() -> None:
    windows = [per_second(2)]
    usage = take(windows, {}, START_NS + 900_000_000, 2)
    refused = admit(windows, usage, START_NS + 950_000_000)
    assert (refused.admitted, refused.blocked_by) == (False, "second")
    assert refused.retry_at_ns == START_NS + SECOND_NS
    assert admit(windows, usage, START_NS + SECOND_NS).admitted


def test_admit_blocked_by_two_windows_names_the_one_that_opens_last() -> None:
    windows = [per_second(1), per_minute(1)]
    usage = take(windows, {}, START_NS, 1)
    refused = admit(windows, usage, START_NS)
    assert refused.blocked_by == "minute"
    assert refused.retry_at_ns == (START_NS // MINUTE_NS + 1) * MINUTE_NS


def test_admit_refused_takes_from_no_window() -> None:
    windows = [per_second(1), per_day(10)]
    usage = take(windows, {}, START_NS, 1)
    assert admit(windows, usage, START_NS).usage == usage
    assert remaining(windows[1], usage, START_NS) == 9


def test_admit_day_window_turns_at_midnight_in_india() -> None:
    day = per_day(1)
    usage = take([day], {}, at(2026, 4, 1, 23, 59, 59), 1)
    assert not admit([day], usage, at(2026, 4, 1, 23, 59, 59)).admitted
    assert admit([day], usage, at(2026, 4, 2, 0, 0, 0)).admitted
    refused = admit([day], usage, at(2026, 4, 1, 12))
    assert refused.retry_at_ns == at(2026, 4, 2)


def test_admit_with_a_reserve_leaves_it_to_those_who_ask_without() -> None:
    windows = [per_second(10)]
    usage: Usage = {}
    for _ in range(8):
        usage = admit(windows, usage, START_NS, reserve={"second": 2}).usage
    assert not admit(windows, usage, START_NS, reserve={"second": 2}).admitted
    assert admit(windows, usage, START_NS).admitted


def test_admit_heavier_than_the_window_can_never_fit() -> None:
    refused = admit([per_second(5), per_minute(100)], {}, START_NS, weight=6)
    assert (refused.admitted, refused.blocked_by, refused.retry_at_ns) == (False, "second", None)


def test_admit_when_the_clock_steps_back_stays_in_the_newest_window() -> None:
    windows = [per_second(1)]
    usage = take(windows, {}, START_NS + SECOND_NS, 1)
    refused = admit(windows, usage, START_NS)
    assert not refused.admitted
    assert refused.retry_at_ns == START_NS + 2 * SECOND_NS


def test_remaining_in_a_new_window_is_its_whole_limit() -> None:
    minute = per_minute(5)
    usage = take([minute], {}, START_NS, 3)
    assert remaining(minute, usage, START_NS) == 2
    assert remaining(minute, usage, START_NS + MINUTE_NS) == 5


steps = st.lists(
    st.tuples(
        st.integers(-3 * SECOND_NS, 20 * SECOND_NS),  # a clock that also steps back
        st.integers(1, 4),  # weight
        st.integers(0, 3),  # reserve of the second
    ),
    max_size=200,
)


@settings(deadline=None)
@given(steps)
def test_no_window_is_ever_exceeded_however_the_clock_moves(
    moves: list[tuple[int, int, int]],
) -> None:
    windows = [per_second(5), per_minute(12), per_day(40)]
    usage: Usage = {}
    now_ns = START_NS
    taken: Counter[tuple[str, int]] = Counter()
    for step_ns, weight, reserve in moves:
        now_ns += step_ns
        admission = admit(windows, usage, now_ns, weight=weight, reserve={"second": reserve})
        if admission.admitted:
            for window in windows:
                taken[window.name, admission.usage[window.name].index] += weight
                assert admission.usage[window.name].index >= window.index(now_ns)
        usage = admission.usage
    limits = {window.name: window.limit for window in windows}
    assert all(count <= limits[name] for (name, _index), count in taken.items())


@settings(deadline=None)
@given(steps)
def test_a_request_asked_again_when_told_to_is_admitted_when_alone(
    moves: list[tuple[int, int, int]],
) -> None:
    windows = [per_second(5), per_minute(12), per_day(40)]
    usage: Usage = {}
    now_ns = START_NS
    for step_ns, weight, reserve in moves:
        now_ns += step_ns
        admission = admit(windows, usage, now_ns, weight=weight, reserve={"second": reserve})
        if admission.retry_at_ns is not None:
            assert admission.retry_at_ns > now_ns
            again = admit(
                windows, usage, admission.retry_at_ns, weight=weight, reserve={"second": reserve}
            )
            assert again.admitted
        usage = admission.usage


@settings(deadline=None)
@given(st.integers(0, 4 * 10**18), st.sampled_from([per_second(1), per_minute(1), per_day(1)]))
def test_every_moment_lies_in_the_window_of_its_index(now_ns: int, window: Window) -> None:
    index = window.index(now_ns)
    assert window.starts_ns(index) <= now_ns < window.starts_ns(index + 1)
    assert window.length_ns in (SECOND_NS, MINUTE_NS, DAY_NS)
