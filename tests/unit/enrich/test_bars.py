from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.bars import BarOptions, Bars
from shared.errors import SettingsError
from shared.kite.codec.decode import blank_ticks
from shared.wire.bars import BAR_DTYPE, BarFlag
from shared.wire.ticks import Mode
from tests.support.kite_market import INDEX, NOW_S, SHARE, instruments

S = 1_000_000_000
LISTED = instruments()
SHARE_ROW = int(np.searchsorted(LISTED["instrument_token"], SHARE))
INDEX_ROW = int(np.searchsorted(LISTED["instrument_token"], INDEX))
MIDNIGHT_S = (NOW_S + 19_800) // 86_400 * 86_400 - 19_800
#: Ten in the morning in India.
BEGIN_S = MIDNIGHT_S + 36_000


def made(*intervals: int, grace_s: float = 2.0) -> Bars:
    return Bars(LISTED, 7, BarOptions(intervals_s=intervals or (1,), grace_s=grace_s))


def tick(
    at_s: float,
    price: float,
    volume: int = 0,
    *,
    stamp_s: float | None = None,
    traded_s: float | None = None,
    oi: int = 0,
    mode: Mode = Mode.FULL,
) -> np.ndarray:
    """Return one record; times are seconds after BEGIN_S."""
    record = blank_ticks(1)
    record["received_at_ns"] = round((BEGIN_S + at_s) * S)
    record["last_price"], record["mode"], record["oi"] = price, mode, oi
    if mode is not Mode.LTP:
        record["volume_traded"] = volume
    if mode is Mode.FULL:
        record["exchange_timestamp_s"] = BEGIN_S + (at_s if stamp_s is None else stamp_s)
        record["last_trade_time_s"] = BEGIN_S + (at_s if traded_s is None else traded_s)
    return record


def told(bars: Bars, *ticks: np.ndarray, row: int = SHARE_ROW) -> np.ndarray:
    records = np.concatenate(ticks)
    bars.fold(records, np.full(len(records), row, np.int64), 9)
    return bars.closed()


def starts(closed: np.ndarray) -> list[int]:
    return [int(start) // S - BEGIN_S for start in closed["start_ns"]]


def test_tick_that_crosses_the_boundary_closes_the_bar_with_its_prices() -> None:
    closed = told(
        made(),
        tick(0.1, 10.0, 5),
        tick(0.3, 12.0, 7),
        tick(0.5, 9.0, 7),
        tick(0.9, 11.0, 9),
        tick(1.1, 50.0, 20),
    )
    (bar,) = closed
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (10.0, 12.0, 9.0, 11.0)
    assert (bar["volume"], bar["ticks"], bar["interval_s"]) == (4, 4, 1)
    assert (bar["instrument_token"], bar["fence"], bar["instruments_version"]) == (SHARE, 9, 7)
    assert bar["closed_at_ns"] == round((BEGIN_S + 1.1) * S)
    assert starts(closed) == [0]
    assert bar["flags"] == BarFlag.PARTIAL | BarFlag.BASELINE


def test_volume_traded_between_two_bars_counts_in_the_later_one() -> None:
    closed = told(
        made(), tick(0.5, 1.0, 100), tick(1.5, 1.0, 130), tick(2.5, 1.0, 175), tick(3.5, 1.0, 180)
    )
    assert closed["volume"].tolist() == [0, 30, 45]
    assert closed["flags"].tolist()[1:] == [0, 0]


def test_longer_bars_are_made_of_the_shorter_ones() -> None:
    ticks = [
        tick(second + 0.5, 100.0 + second % 7, 10 * second, oi=5 + second) for second in range(125)
    ]
    closed = told(made(1, 60), *ticks)
    minute = closed[closed["interval_s"] == 60]
    assert starts(minute) == [0, 60]
    second = closed[closed["interval_s"] == 1]
    for bar in minute:
        parts = second[
            (second["start_ns"] >= bar["start_ns"])
            & (second["start_ns"] < bar["start_ns"] + 60 * S)
        ]
        assert (bar["open"], bar["close"]) == (parts["open"][0], parts["close"][-1])
        assert (bar["high"], bar["low"]) == (parts["high"].max(), parts["low"].min())
        assert (bar["volume"], bar["ticks"]) == (parts["volume"].sum(), parts["ticks"].sum())
        assert (bar["oi_open"], bar["oi"]) == (parts["oi_open"][0], parts["oi"][-1])


def test_idle_instrument_is_closed_by_its_shards_time_once_the_grace_is_over() -> None:
    listed = LISTED.copy()
    listed["shard"] = 0
    bars = Bars(listed, 7, BarOptions(intervals_s=(1,), grace_s=2.0))
    assert len(told(bars, tick(0.5, 1.0))) == 0
    assert len(told(bars, tick(2.9, 5.0), row=INDEX_ROW)) == 0
    (bar,) = told(bars, tick(3.0, 5.0), row=INDEX_ROW)[:1]
    assert bar["instrument_token"] == SHARE
    assert bar["flags"] & BarFlag.IDLE


def test_late_tick_within_the_grace_counts_in_the_open_bar_and_is_flagged() -> None:
    bars = made()
    told(bars, tick(0.2, 1.0, 10), tick(1.2, 2.0, 20))
    closed = told(bars, tick(1.4, 3.0, 25, stamp_s=0), tick(2.2, 4.0, 25))
    (bar,) = closed
    assert (starts(closed), bar["high"], bar["late_ticks"]) == ([1], 3.0, 1)
    assert bar["flags"] & BarFlag.LATE
    assert bar["volume"] == 15


def test_tick_stamped_long_ago_counts_in_the_earliest_bar_still_open() -> None:
    closed = told(made(), tick(10.5, 1.0, 10, stamp_s=-5_000), tick(13.5, 1.0, 10))
    assert starts(closed) == [8]
    assert closed["late_ticks"].tolist() == [1]


def test_stamp_of_the_future_is_held_to_the_grace() -> None:
    bars = made()
    closed = told(bars, tick(0.5, 1.0, stamp_s=1_000), tick(9.5, 1.0))
    assert starts(closed) == [2]


def test_closed_bar_is_never_told_again() -> None:
    bars = made()
    closed = told(bars, tick(0.5, 1.0), tick(5.5, 1.0), tick(5.6, 2.0, stamp_s=0), tick(9.5, 1.0))
    assert len(set(starts(closed))) == len(closed)


def test_new_day_counts_the_new_days_volume_from_nothing() -> None:
    day = 86_400
    bars = made()
    told(bars, tick(0.5, 1.0, 1_000), tick(1.5, 1.0, 1_500))
    closed = told(
        bars, tick(day + 0.5, 1.0, 40), tick(day + 1.5, 1.0, 45), tick(day + 2.5, 1.0, 45)
    )
    assert closed["volume"].tolist()[1:] == [40, 5]
    assert closed["flags"][1] & BarFlag.DAY_RESET


def test_yesterdays_volume_sent_before_the_open_is_no_trade_of_today() -> None:
    day = 86_400
    bars = made()
    told(bars, tick(0.5, 1.0, 1_000))
    quiet = tick(day + 0.5, 1.0, 1_700, traded_s=5.0)
    closed = told(bars, quiet, tick(day + 1.5, 1.0, 40), tick(day + 2.5, 1.0, 40))
    assert closed["volume"].tolist()[1:] == [700, 40]


def test_volume_that_falls_within_a_day_counts_nothing() -> None:
    closed = told(
        made(), tick(0.2, 1.0, 100), tick(0.4, 1.0, 90), tick(0.6, 1.0, 110), tick(1.5, 1.0, 110)
    )
    assert closed["volume"].tolist() == [10]
    assert closed["flags"][0] & BarFlag.VOLUME_FELL


def test_price_only_ticks_leave_volume_and_open_interest_alone() -> None:
    closed = told(
        made(),
        tick(0.2, 1.0, 100, oi=7),
        tick(0.4, 3.0, mode=Mode.LTP),
        tick(0.6, 2.0, 110, oi=8),
        tick(1.5, 1.0, 110),
    )
    (bar,) = closed
    assert (bar["high"], bar["volume"], bar["oi_open"], bar["oi"]) == (3.0, 10, 7, 8)


def test_unknown_instruments_and_ticks_without_a_price_make_no_bar() -> None:
    bars = made()
    assert len(told(bars, tick(0.5, 0.0), tick(9.5, 0.0))) == 0
    assert len(told(bars, tick(0.5, 1.0), tick(9.5, 1.0), row=-1)) == 0


def test_restored_volume_makes_the_next_difference_whole() -> None:
    bars = made()
    known = tick(0.5, 1.0, 1_000)
    known["instrument_token"] = SHARE
    bars.restore(known)
    closed = told(bars, tick(1.5, 1.0, 1_030), tick(2.5, 1.0, 1_030))
    assert closed["volume"].tolist() == [30]
    assert closed["flags"].tolist() == [BarFlag.PARTIAL]


def test_new_owner_drops_the_bars_that_were_open() -> None:
    bars = made()
    told(bars, tick(0.5, 1.0, 10))
    bars.begin(1)
    bars.begin(99)
    closed = told(bars, tick(0.8, 2.0, 15), tick(1.5, 1.0, 15))
    assert (closed["open"].tolist(), closed["ticks"].tolist()) == ([2.0], [1])


def test_other_instruments_go_on_with_the_bars_of_the_ones_before() -> None:
    before = made()
    told(before, tick(0.2, 1.0, 10))
    after = Bars(LISTED[SHARE_ROW:], 8, BarOptions(intervals_s=(1,)))
    after.adopt(before)
    closed = told(after, tick(0.4, 2.0, 12), tick(1.5, 1.0, 12), row=0)
    assert (closed["open"].tolist(), closed["volume"].tolist()) == ([1.0], [2])


def test_tape_that_begins_anew_far_back_is_followed() -> None:
    bars = made()
    told(bars, tick(1_000.5, 1.0))
    closed = told(bars, tick(0.5, 2.0), tick(1.5, 3.0))
    assert starts(closed) == [0]


@pytest.mark.parametrize("intervals", [[60, 1], [1, 1], [2, 3], [0]])
def test_intervals_that_do_not_fit_are_refused(intervals: list[int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"intervals_s": intervals}, BarOptions)


def test_bars_without_an_interval_are_refused() -> None:
    with pytest.raises(SettingsError, match="empty"):
        Bars(LISTED, 7, BarOptions(intervals_s=()))


MOVES = st.tuples(
    st.sampled_from([0.0, 0.2, 0.7, 1.0, 3.5, 61.0]),
    st.floats(1.0, 100.0),
    st.integers(0, 50),
    st.sampled_from([0, 0, -1, -5, 3]),
    st.sampled_from([SHARE_ROW, INDEX_ROW, SHARE_ROW + 1, -1]),
)


@pytest.mark.slow
@given(st.lists(MOVES, min_size=1, max_size=40), st.sets(st.integers(1, 39)))
@settings(max_examples=60, deadline=None)
def test_bars_do_not_depend_on_how_a_tape_was_cut_and_keep_all_volume(moves, cuts) -> None:
    at_s, volume, ticks, rows = 0.0, 0, [], []
    for gap, price, traded, late, row in moves:
        at_s += gap
        volume += traded
        ticks.append(tick(at_s, price, volume, stamp_s=at_s + late))
        rows.append(row)
    ticks += [tick(at_s + 1_000.0, 1.0, volume), tick(at_s + 2_000.0, 1.0, volume)]
    rows += [SHARE_ROW, SHARE_ROW]
    records, indices = np.concatenate(ticks), np.array(rows, np.int64)
    whole, parts = made(1, 60), made(1, 60)
    whole.fold(records, indices, 9)
    edges = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    pieces = []
    for begin, end in pairwise(edges):
        parts.fold(records[begin:end], indices[begin:end], 9)
        pieces.append(parts.closed())
    closed = whole.closed()
    assert closed.tobytes() == np.concatenate(pieces).tobytes()
    assert closed.dtype == BAR_DTYPE
    first = next(k for k, row in enumerate(rows) if row == SHARE_ROW)
    for interval in (1, 60):
        ours = closed[(closed["interval_s"] == interval) & (closed["instrument_token"] == SHARE)]
        assert ours["volume"].sum() == volume - int(records["volume_traded"][first])
        assert len(set(ours["start_ns"].tolist())) == len(ours)
