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
