from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.streams.retention import BUCKETS_MAX, RetentionWindow

STEPS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 1_000)), min_size=1, max_size=400)
BOUND_S = st.integers(0, 120)
BOUND_BYTES = st.integers(0, 50_000)


def test_window_without_bounds_keeps_everything():
    window = RetentionWindow(0, 0)
    assert [window.add(ms, 10) for ms in (1, 10**6, 10**12)] == [0, 0, 0]


def test_floor_by_age_is_the_retention_behind_the_newest():
    window = RetentionWindow(120, 0)
    assert window.add(1_000_000, 10) == 880_000
    assert window.floor_ms(1_060_000) == 940_000


def test_floor_by_bytes_passes_the_oldest_buckets_until_the_rest_fits():
    window = RetentionWindow(64, 250)
    for ms in (100_000, 101_000, 102_000):
        window.add(ms, 100)
    assert window.floor_ms(102_000) == 101_000
    assert window.kept_bytes == 200


def test_burst_within_a_part_of_the_retention_is_still_bounded_by_its_bytes():
    window = RetentionWindow(120, 64_000)
    for ms in range(1_000_000, 1_001_000):
        floor_ms = window.add(ms, 1_000)
    assert floor_ms == 1_000_936
    assert window.kept_bytes == 64_000


def test_one_bucket_over_the_bound_is_kept_since_it_is_being_filled():
    window = RetentionWindow(64, 250)
    assert window.add(100_000, 1_000) == 36_000
    assert window.kept_bytes == 1_000


@given(BOUND_S, BOUND_BYTES, STEPS)
def test_floor_never_falls_and_never_passes_the_newest(retention_s, retention_bytes, steps):
    window = RetentionWindow(retention_s, retention_bytes)
    now_ms, before = 1_700_000_000_000, 0
    for step_ms, size_bytes in steps:
        now_ms += step_ms
        floor_ms = window.add(now_ms, size_bytes)
        assert before <= floor_ms <= now_ms
        before = floor_ms


@pytest.mark.slow
@given(BOUND_S, BOUND_BYTES, STEPS)
def test_buckets_are_bounded_however_long_it_goes_on(retention_s, retention_bytes, steps):
    window = RetentionWindow(retention_s, retention_bytes)
    now_ms = 0
    for step_ms, size_bytes in steps:
        now_ms += step_ms
        window.add(now_ms, size_bytes)
        assert len(window._buckets) <= BUCKETS_MAX


@given(st.integers(1, 120), st.integers(1_000, 50_000), STEPS)
def test_what_the_floor_keeps_fits_the_bytes_up_to_the_newest_bucket(
    retention_s, retention_bytes, steps
):
    window = RetentionWindow(retention_s, retention_bytes)
    written: list[tuple[int, int]] = []
    now_ms = 1_700_000_000_000
    for step_ms, size_bytes in steps:
        now_ms += step_ms
        written.append((now_ms, size_bytes))
        floor_ms = window.add(now_ms, size_bytes)
        kept = sum(size for ms, size in written if ms >= floor_ms)
        newest_bucket = sum(size for ms, size in written if ms >= window._buckets[-1][0])
        assert kept <= max(retention_bytes, newest_bucket)


@given(BOUND_S, BOUND_BYTES, STEPS)
def test_time_bound_is_never_cut_short_while_the_bytes_fit(retention_s, retention_bytes, steps):
    window = RetentionWindow(retention_s, retention_bytes)
    now_ms, total = 1_700_000_000_000, 0
    for step_ms, size_bytes in steps:
        now_ms += step_ms
        total += size_bytes
        floor_ms = window.add(now_ms, size_bytes)
        if not retention_bytes or total <= retention_bytes:
            assert floor_ms == (now_ms - retention_s * 1000 if retention_s else 0)
