from __future__ import annotations

from datetime import date, time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.silence import Expectation, Holding, Liquidity, MarketSilence
from shared.market.calendar import moment_ns, packaged_calendar
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind

CALENDAR = packaged_calendar()
TUESDAY, SATURDAY = date(2026, 9, 22), date(2026, 9, 26)
LIQUID = Holding({"NSE": (1, 1)})
FEW = Holding({"NFO": (49, 0)})
CROWD = Holding({"NFO": (50, 0)})


def at(hour: int, minute: int = 0, second: int = 0, on: date = TUESDAY) -> int:
    return moment_ns(on, time(hour, minute, second))


def silence() -> MarketSilence:
    return MarketSilence(CALENDAR, Expectation())


def seconds(number: float) -> int:
    return round(number * 1e9)


@pytest.mark.parametrize(
    ("holding", "quiet_s", "found"),
    [
        (LIQUID, 9.9, None),
        (LIQUID, 10.0, 10.0),
        (CROWD, 59.0, None),
        (CROWD, 61.0, 61.0),
        (FEW, 3_600.0, None),
        (Holding({}), 3_600.0, None),
    ],
)
def test_silence_of_an_open_market_is_too_long_after_its_time(holding, quiet_s, found) -> None:
    now = at(12)
    told = silence().silent_s(holding, since_ns=now - seconds(quiet_s), now_ns=now)
    assert told == (None if found is None else pytest.approx(found))


@pytest.mark.parametrize("now", [at(3), at(9, 14), at(17), at(12, on=SATURDAY)])
def test_outside_hours_a_socket_idles(now: int) -> None:
    since = now - seconds(86_400)
    assert silence().silent_s(LIQUID, since_ns=since, now_ns=now) is None


def test_silence_counts_from_the_opening() -> None:
    since = at(9)
    assert silence().silent_s(LIQUID, since_ns=since, now_ns=at(9, 15, 9)) is None
    assert silence().silent_s(LIQUID, since_ns=since, now_ns=at(9, 15, 10)) is not None


def test_segment_that_is_closed_excuses_only_itself() -> None:
    both = Holding({"NSE": (5, 1), "MCX": (5, 1)})
    now = at(20)
    assert silence().silent_s(both, since_ns=now - seconds(30), now_ns=now) is not None


def test_reconnects_that_bring_nothing_grow_rarer_up_to_a_ceiling() -> None:
    watch, now = silence(), at(13)
    patience = []
    for _ in range(8):
        patience.append(
            next(
                quiet
                for quiet in (10, 20, 40, 80, 160, 320, 600)
                if watch.silent_s(LIQUID, since_ns=now - seconds(quiet), now_ns=now)
            )
        )
        watch.reconnected()
    assert patience == [10, 20, 40, 80, 160, 320, 600, 600]
    watch.opened(now)
    watch.ticked(now + seconds(1))
    assert not watch.silent_s(LIQUID, since_ns=now - seconds(10), now_ns=now)
    watch.ticked(now + seconds(6))
    assert watch.silent_s(LIQUID, since_ns=now - seconds(10), now_ns=now)


@given(minute=st.integers(0, 7 * 24 * 60 - 1), quiet_s=st.floats(0.0, 100_000.0))
def test_silence_is_never_told_of_a_closed_market(minute: int, quiet_s: float) -> None:
    now = at(0) + seconds(minute * 60)
    told = silence().silent_s(LIQUID, since_ns=now - seconds(quiet_s), now_ns=now)
    if told is not None:
        assert CALENDAR.presume("NSE", now).is_open
        assert told >= 10.0


def test_indices_with_derivatives_and_their_nearest_futures_are_liquid() -> None:
    rows = np.zeros(6, INSTRUMENT_DTYPE)
    rows["instrument_token"] = [1, 2, 3, 4, 5, 6]
    rows["kind"] = [Kind.INDEX, Kind.INDEX, Kind.FUTURE, Kind.FUTURE, Kind.CALL, Kind.FUTURE]
    rows["expiry"] = [0, 0, 20260929, 20261027, 20260929, 20260825]
    rows["underlying"] = [b"NIFTY", b"NIFTY SMALL"] + [b"NIFTY"] * 4
    rows["underlying_token"] = [1, 2, 1, 1, 1, 1]
    rows["exchange"] = [b"NSE", b"NSE"] + [b"NFO"] * 4
    judged = Liquidity(rows, 20260922)
    assert judged.holding([1, 2, 3, 4, 5, 6, 99]).counts == {"NSE": (2, 1), "NFO": (4, 1)}
    assert judged.holding([2, 4, 5]).counts == {"NSE": (1, 0), "NFO": (2, 0)}
    assert judged.holding([]).counts == {}


def lasting(watched: MarketSilence, holding: Holding, now: int, since: int) -> tuple[float, float]:
    found = watched.lasting(holding, since_ns=since, now_ns=now)
    return found.silent_s, found.allowed_s


def test_silence_that_lasts_is_counted_from_the_last_tick_of_an_open_market() -> None:
    watched = silence()
    watched.opened(at(11))
    watched.ticked(at(11, 59, 50))
    assert lasting(watched, LIQUID, at(12), at(9)) == (10.0, 10.0)
    assert lasting(watched, CROWD, at(12), at(9)) == (10.0, 60.0)


def test_snapshots_of_a_socket_opened_anew_do_not_end_the_silence() -> None:
    watched = silence()
    watched.opened(at(11))
    watched.ticked(at(11, 59, 30))
    watched.opened(at(11, 59, 45))
    watched.ticked(at(11, 59, 47))
    assert lasting(watched, LIQUID, at(12), at(9)) == (30.0, 10.0)
    watched.ticked(at(11, 59, 55))
    assert lasting(watched, LIQUID, at(12), at(9)) == (5.0, 10.0)


def test_silence_that_lasts_begins_with_the_session_or_with_the_listening() -> None:
    watched = silence()
    assert lasting(watched, LIQUID, at(9, 15, 7), at(3)) == (7.0, 10.0)
    assert lasting(watched, LIQUID, at(12), at(11, 59)) == (60.0, 10.0)


@pytest.mark.parametrize(
    ("holding", "now"),
    [(LIQUID, at(9, 14)), (LIQUID, at(12, on=SATURDAY)), (FEW, at(12)), (Holding({}), at(12))],
)
def test_nothing_is_silent_where_no_tick_is_to_be_expected(holding, now) -> None:
    assert lasting(silence(), holding, now, at(3)) == (0.0, float("inf"))


def test_of_several_segments_the_one_that_has_to_tick_soonest_counts() -> None:
    both = Holding({"NFO": (50, 0), "NSE": (1, 1)})
    assert lasting(silence(), both, at(12), at(11, 59)) == (60.0, 10.0)
    # In the evening only commodities trade.
    evening = Holding({"NSE": (1, 1), "MCX": (50, 0)})
    assert lasting(silence(), evening, at(18), at(17, 59, 30)) == (30.0, 60.0)
