"""Past candles: what is missing, in which requests, what an answer holds, their Greeks."""

from __future__ import annotations

import itertools
import math
from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.history import candles_of
from enrich.history_choice import Choice, choose
from enrich.history_greeks import Option, References, ends_s, parse_stamp_s, price
from enrich.history_plan import (
    DAY_S,
    INTERVAL_S,
    chunks,
    day_range,
    final_until_s,
    gaps,
    india_text,
)
from enrich.parameters import Parameters
from shared.errors import LocalError, MessageError
from shared.kite.limits import CANDLE_DAYS_MAX
from shared.market.calendar import packaged_calendar
from shared.store.candles import CANDLE_DTYPE, Range
from shared.wire.ticks import Flag, ForwardSource, Status
from tests.support.option_chain import FAR, INFY, NEAR, NIFTY, market

DAY = day_range("2026-11-24", "2026-11-24")
OPEN_S = DAY.from_s + 33_300
EXPIRY_NS = packaged_calendar().expiry_ns("NFO", date(2026, 11, 24))
CALL = Option("NFO", 24_000.0, 1.0, EXPIRY_NS + 7 * DAY_S * 10**9, 0.05)
PARAMETERS = Parameters(id=7)


def candles(*closes, begins_s=OPEN_S, volume=65):
    made = np.zeros(len(closes), CANDLE_DTYPE)
    made["begins_s"] = begins_s + 60 * np.arange(len(closes))
    for name in ("open", "high", "low", "close"):
        made[name] = closes
    made["volume"], made["oi"] = volume, -1
    return made


NONE = candles()


def test_gaps_are_what_is_left_between_covered_ranges():
    wanted = Range(100, 200)
    assert gaps(wanted, []) == [wanted]
    assert gaps(wanted, [Range(0, 120), Range(150, 160)]) == [Range(120, 150), Range(160, 200)]
    assert gaps(wanted, [Range(0, 300)]) == []
    assert gaps(wanted, [Range(200, 300)]) == [wanted]


@given(
    wanted=st.tuples(st.integers(0, 50), st.integers(1, 50)),
    cuts=st.lists(st.integers(0, 120), unique=True, max_size=8),
)
def test_gaps_and_covered_ranges_make_up_the_whole_without_overlap(wanted, cuts):
    asked = Range(wanted[0], wanted[0] + wanted[1])
    edges = sorted(cuts)
    covered = [Range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    held = {second for part in covered for second in range(*part)}
    missing = [second for part in gaps(asked, covered) for second in range(*part)]
    assert sorted(missing) == [second for second in range(*asked) if second not in held]


@pytest.mark.parametrize("interval", INTERVAL_S)
def test_chunks_join_without_a_hole_and_keep_to_kites_span(interval):
    gap = Range(1_700_000_000, 1_700_000_000 + 3_000 * DAY_S + 17)
    made = list(chunks([gap], interval))
    assert (made[0].from_s, made[-1].until_s) == gap
    assert all(a.until_s == b.from_s for a, b in itertools.pairwise(made))
    assert max(part.until_s - part.from_s for part in made) <= CANDLE_DAYS_MAX[interval] * DAY_S


def test_candle_that_still_grows_is_never_final():
    now_s = OPEN_S + 3_600
    assert final_until_s(now_s, "minute") == now_s - 180
    assert final_until_s(now_s, "60minute") < OPEN_S + 1
    assert final_until_s(now_s, "day") == DAY.from_s
    assert final_until_s(DAY.until_s, "day") == DAY.until_s


def test_days_are_indias():
    assert india_text(DAY.from_s) == "2026-11-24 00:00:00"
    assert DAY.until_s - DAY.from_s == DAY_S
    assert parse_stamp_s("2026-11-24T09:15:00+0530") == OPEN_S
    with pytest.raises(ValueError, match="to must not be before from, 2026-11-24: it is 2026-11-2"):
        day_range("2026-11-24", "2026-11-20")


def test_answer_gives_the_candles_inside_the_range_once_with_or_without_open_interest():
    stamp = [f"2026-11-24T09:1{minute}:00+0530" for minute in (5, 6, 7)]
    rows = [[stamp[0], 1, 2, 0.5, 1.5, 10], [stamp[1], 1, 2, 0.5, 1.5, 10, 650],
            [stamp[1], 1, 2, 0.5, 1.6, 11, 650], [stamp[2], 1, 2, 0.5, 1.5, 10]]  # fmt: skip
    found = candles_of(msgspec.json.encode({"candles": rows}), Range(OPEN_S, OPEN_S + 120))
    assert found["begins_s"].tolist() == [OPEN_S, OPEN_S + 60]
    assert found["close"].tolist() == [1.5, 1.6]
    assert found["oi"].tolist() == [-1, 650]
    assert len(candles_of(b'{"candles":[]}', DAY)) == 0


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"candles":[["x",1,2,0,1,5]]}', b'{"candles":[["2026-11-24T09:15:00+0530",1]]}',
     b'{"candles":[["2026-11-24T09:15:00+0530",1,2,1.5,1,5]]}',
     b'{"candles":[["2026-11-24T09:15:00+0530",-1,2,-1,1,5]]}'],
)  # fmt: skip
def test_answer_that_holds_no_candles_or_impossible_ones_is_refused(body):
    with pytest.raises(MessageError):
        candles_of(body, DAY)


def test_volatility_of_a_past_price_comes_back_and_greeks_are_live_ones():
    """Price a call by Black's formula at 15 %, then solve it back out of candles."""
    begins = candles(1.0)["begins_s"]
    years = (CALL.expiry_ns - (int(begins[0]) + 60) * 10**9) / (365 * DAY_S * 1e9)
    forward, vol, rate = 24_050.0, 0.15, PARAMETERS.rate
    total = vol * math.sqrt(years)
    d1 = math.log(forward / CALL.strike) / total + total / 2
    normal = lambda x: 0.5 * math.erfc(-x / math.sqrt(2))  # noqa: E731
    discount = math.exp(-rate * years)
    worth = discount * (forward * normal(d1) - CALL.strike * normal(d1 - total))
    (row,) = price(candles(worth), CALL, References(candles(forward), NONE), "minute", PARAMETERS)
    assert row["status"] == Status.OK
    assert row["implied_vol"] == pytest.approx(vol, rel=1e-9)
    assert row["delta"] == pytest.approx(discount * normal(d1), rel=1e-9)
    assert row["rho_per_percent"] == pytest.approx(-years * worth / 100, rel=1e-9)
    assert row["time_to_expiry"] == pytest.approx(years)
    assert (row["forward_source"], row["parameters_id"]) == (ForwardSource.FUTURE, 7)


def test_forward_is_the_futures_close_of_that_minute_else_the_spots_with_carry_else_none():
    options = candles(300.0, 300.0, 300.0)
    references = References(candles(24_100.0), candles(24_000.0, 24_000.0))
    rows = price(options, CALL, references, "minute", PARAMETERS)
    assert rows["forward_source"].tolist() == [2, 4, 0]
    carry = math.exp((PARAMETERS.rate - PARAMETERS.dividend_yield) * rows["time_to_expiry"][1])
    assert rows["forward"][:2].tolist() == [24_100.0, pytest.approx(24_000.0 * carry)]
    assert rows["status"].tolist() == [Status.OK, Status.OK, Status.NO_UNDERLYING]
    assert np.isnan(rows["implied_vol"]).tolist() == [False, False, True]


def test_every_row_without_a_volatility_says_why_and_one_bad_row_touches_no_other():
    options = candles(0.0, 300.0, 30_000.0, 10.0)
    rows = price(options, CALL, References(candles(*[25_000.0] * 4), NONE), "minute", PARAMETERS)
    assert [Status(code).name for code in rows["status"].tolist()] == [
        "NO_PRICE", "BELOW_INTRINSIC", "ABOVE_MAX", "BELOW_INTRINSIC",
    ]  # fmt: skip
    gone = Option("NFO", 24_000.0, 1.0, (OPEN_S + 60) * 10**9, 0.05)
    (row,) = price(candles(300.0), gone, References(candles(24_000.0), NONE), "minute", PARAMETERS)
    assert row["status"] == Status.EXPIRED
    (row,) = price(candles(300.0), gone, References(NONE, NONE), "minute", PARAMETERS)
    assert row["status"] == Status.EXPIRED


def test_candle_nobody_traded_in_and_the_last_half_hour_are_flagged():
    last = Option("NFO", 24_000.0, 1.0, EXPIRY_NS, 0.05)
    begins_s = EXPIRY_NS // 10**9 - 600
    reference = References(candles(24_100.0, begins_s=begins_s), NONE)
    (row,) = price(
        candles(120.0, begins_s=begins_s, volume=0), last, reference, "minute", PARAMETERS
    )
    assert row["status"] == Status.OK
    assert Flag(int(row["flags"])) & (Flag.PRICE_STALE | Flag.EXPIRY_WINDOW)
    assert Flag(int(row["flags"])) & Flag.THETA_GT_TIME_VALUE


def test_candle_ends_with_its_session_at_the_latest():
    close_s = EXPIRY_NS // 10**9
    begins = np.array([OPEN_S, close_s - 600, DAY.from_s])
    assert ends_s(begins[:2], "60minute", "NFO").tolist() == [OPEN_S + 3_600, close_s]
    assert ends_s(begins[2:], "day", "NFO").tolist() == [close_s]
    assert len(ends_s(begins[:0], "day", "NFO")) == 0


def test_choice_brings_what_options_need_before_them():
    listed = market()
    listed["underlying_token"] = NIFTY
    chosen = choose(listed, Choice(underlying="NIFTY", strike_from=24_000, strike_to=24_100))
    assert chosen[0].token == NIFTY
    assert [each.option.strike for each in chosen[1:]] == [24_000.0, 24_000.0, 24_100.0, 24_100.0]
    assert {each.name.expiry for each in chosen[1:]} == {NEAR}
    assert {each.underlying.tradingsymbol for each in chosen[1:]} == {"NIFTY 50"}
    named = choose(market(), Choice(names=("NSE:INFY",), interval="day"))
    assert [(each.token, each.name.interval) for each in named] == [(INFY, "day")]
    assert len(choose(listed, Choice(underlying="NIFTY", expiry=FAR))) == 9


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (Choice(names=("NSE:NOTHING",)), "NSE:NOTHING is not listed"),
        (Choice(underlying="GOLD"), "GOLD has no derivatives listed"),
        (Choice(underlying="NIFTY", expiry=20260101), "no expiry 20260101; listed: 20261126"),
        (Choice(), "nothing is listed that was asked for"),
    ],
)
def test_choice_of_what_is_not_there_says_so(choice, sentence):
    with pytest.raises(LocalError, match=sentence):
        choose(market(), choice)
