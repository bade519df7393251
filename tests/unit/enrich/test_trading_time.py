"""Volatility in time that is traded: hand-computed over a week-end and a holiday; off by default."""

from __future__ import annotations

import math
from datetime import date, time
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.chain import ChainOptions
from enrich.contracts import contracts
from enrich.engine import Derived, Engine, Lineage
from enrich.history_greeks import Option, References, price
from enrich.kernels.forward import YEAR_NS, volatility_years
from enrich.parameters import Parameters
from enrich.trading_time import TradingTime
from shared.market.calendar import moment_ns, packaged_calendar
from shared.store.candles import CANDLE_DTYPE
from shared.wire.instruments import Kind
from shared.wire.ticks import Status
from tests.support.kite_market import header, index_packet, instruments, option, packet, segments

CALENDAR = packaged_calendar()
#: Monday 14 September 2026 is a holiday (Ganesh Chaturthi); NSE's options trade 09:15 to 15:40.
FRIDAY, SATURDAY, MONDAY, TUESDAY = (date(2026, 9, day) for day in (11, 12, 14, 15))
EXPIRY_NS = moment_ns(TUESDAY, time(15, 40))
YEAR_MINUTES = 252 * 385
CALL = option(Kind.CALL, 24_000.0)
SPOT, RATE, VOL = 24_000.0, 0.05, 0.20
TRADING = Parameters(id=5, rate=RATE, dividend_yield=0.0, time_basis="trading")
CALENDAR_TIME = Parameters(id=4, rate=RATE, dividend_yield=0.0)
_NORMAL = NormalDist()


def listed() -> np.ndarray:
    rows = instruments()
    near = rows["expiry"] == 20260901
    rows["expiry_ns"][near], rows["expiry"][near] = EXPIRY_NS, 20260915
    return rows


def minutes_left(at_ns: int) -> float:
    """Return trading minutes by the kernel's own way to them."""
    tables = contracts(listed())
    TradingTime(tables, CALENDAR).turn_to(at_ns)
    group = tables.groups[tables.groups["expiry_ns"] == EXPIRY_NS][0]
    return volatility_years(group, (EXPIRY_NS - at_ns) / YEAR_NS) * YEAR_MINUTES


@pytest.mark.parametrize(
    ("day", "at", "minutes"),
    [
        (FRIDAY, time(9, 15), 385 + 385),
        (FRIDAY, time(15, 0), 40 + 385),
        (FRIDAY, time(15, 40), 385),
        (FRIDAY, time(20, 0), 385),
        (SATURDAY, time(12, 0), 385),
        (MONDAY, time(12, 0), 385),
        (TUESDAY, time(8, 0), 385),
        (TUESDAY, time(9, 15), 385),
        (TUESDAY, time(12, 40), 180),
        (TUESDAY, time(15, 39), 1),
    ],
)
def test_minutes_left_over_a_weekend_and_a_holiday(day: date, at: time, minutes: float) -> None:
    assert minutes_left(moment_ns(day, at)) == pytest.approx(minutes, abs=1e-6)


@given(st.integers(1, 40 * 86_400))
@settings(max_examples=40)
def test_time_left_is_what_the_calendar_counts_at_any_moment(before_s: int) -> None:
    at_ns = EXPIRY_NS - before_s * 1_000_000_000
    counted = CALENDAR.trading_minutes_between("NFO", at_ns, EXPIRY_NS, presume_ordinary=True)
    assert minutes_left(at_ns) == pytest.approx(max(counted, 1 / 60), abs=1e-5)


def worth(years_of_volatility: float, years: float) -> float:
    """Return the call's price: its volatility by one clock, its money by the other."""
    forward = SPOT * math.exp(RATE * years)
    total = VOL * math.sqrt(years_of_volatility)
    d1 = math.log(forward / SPOT) / total + total / 2
    value = forward * _NORMAL.cdf(d1) - SPOT * _NORMAL.cdf(d1 - total)
    return math.exp(-RATE * years) * value


def record_of(parameters: Parameters, at_ns: int, paid: float) -> np.void:
    made = Engine(listed(), 7, parameters)
    stamp_s = at_ns // 1_000_000_000
    raw = segments(
        [index_packet(SPOT, stamp_s)],
        [packet(CALL, paid, stamp_s=stamp_s, bid=paid - 0.05, ask=paid + 0.05)],
        at_ns=at_ns,
    )
    records, _ = made.enrich(header(2), raw, Lineage(1, 2, 9))
    return records[records["instrument_token"] == CALL][0].copy()


def test_volatility_and_greeks_on_friday_before_a_weekend_and_a_holiday() -> None:
    at_ns = moment_ns(FRIDAY, time(15, 0))
    trading, years = 425 / YEAR_MINUTES, 5_800 / 525_600
    paid = round(worth(trading, years), 2)
    told, plain = record_of(TRADING, at_ns, paid), record_of(CALENDAR_TIME, at_ns, paid)
    assert (told["status"], plain["status"]) == (Status.OK, Status.OK)
    assert (told["parameters_id"], plain["parameters_id"]) == (5, 4)
    assert told["time_to_expiry"] == pytest.approx(trading, rel=1e-12)
    assert plain["time_to_expiry"] == pytest.approx(years, rel=1e-12)
    assert told["implied_vol"] == pytest.approx(VOL, abs=2e-4)  # the price is whole paise
    assert plain["implied_vol"] == pytest.approx(VOL * math.sqrt(trading / years), abs=2e-4)
    for same in ("forward", "delta", "gamma", "rho_per_percent", "intrinsic_value", "time_value"):
        assert told[same] == plain[same]
    # Black's own formulas, in trading time.
    forward, sigma = SPOT * math.exp(RATE * years), float(told["implied_vol"])
    total = sigma * math.sqrt(trading)
    d1 = math.log(forward / SPOT) / total + total / 2
    density = math.exp(-RATE * years) * forward * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    vega = density * math.sqrt(trading) / 100
    assert told["vega_per_vol_point"] == pytest.approx(vega, rel=1e-6)
    assert told["vomma"] == pytest.approx(vega * d1 * (d1 - total) / sigma / 100, rel=1e-5)
    assert told["vanna"] == pytest.approx(-density / forward * (d1 - total) / sigma / 100, rel=1e-5)
    decay = -density * sigma / (2 * math.sqrt(trading))
    money = RATE * years / trading * paid
    assert told["theta_per_day"] == pytest.approx((decay + money) / 252, rel=1e-5)
    assert told["iv_tick"] == pytest.approx(0.05 / vega, rel=1e-6)


def test_closed_days_cost_nothing_and_the_days_worth_is_the_expirys() -> None:
    paid = round(worth(385 / YEAR_MINUTES, 1.0 / 365), 2)
    times = [
        float(record_of(TRADING, moment_ns(day, at), paid)["time_to_expiry"])
        for day, at in ((FRIDAY, time(16, 0)), (MONDAY, time(12, 0)), (TUESDAY, time(9, 0)))
    ]
    assert times == pytest.approx([1 / 252] * 3, rel=1e-12)


def test_session_begins_within_one_entry_as_if_it_had_been_two() -> None:
    opens_ns = moment_ns(TUESDAY, time(9, 15))
    frames = [
        segments(
            [index_packet(SPOT, (opens_ns + at) // 10**9)],
            [packet(CALL, 100.0, stamp_s=(opens_ns + at) // 10**9)],
            at_ns=opens_ns + at,
        )
        for at in (-60 * 10**9, 60 * 10**9, 120 * 10**9)
    ]
    whole = Engine(listed(), 7, TRADING, Derived(ChainOptions()))
    records = whole.enrich(header(6), b"".join(frames), Lineage(1, 2, 9))[0].copy()
    of_call = records[records["instrument_token"] == CALL]
    minutes = (of_call["time_to_expiry"] * YEAR_MINUTES).tolist()
    assert minutes == pytest.approx([385, 384, 383], abs=1e-6)
    parts = Engine(listed(), 7, TRADING, Derived(ChainOptions()))
    cut = [parts.enrich(header(2), raw, Lineage(1, 2, 9))[0].copy() for raw in frames]
    together = np.concatenate(cut)
    together["raw_packet_index"] = records["raw_packet_index"]
    assert together.tobytes() == records.tobytes()
    assert parts._chains is not None


def test_chain_is_told_in_the_same_time_as_its_options() -> None:
    at_ns = moment_ns(FRIDAY, time(15, 0))
    made = Engine(listed(), 7, TRADING, Derived(ChainOptions()))
    raw = b""
    for after_s in range(3):
        stamp_s = at_ns // 10**9 + after_s
        raw += segments(
            [index_packet(SPOT, stamp_s)],
            [packet(CALL, 150.0, stamp_s=stamp_s)],
            at_ns=at_ns + after_s * 10**9,
        )
    records, _ = made.enrich(header(6), raw, Lineage(1, 2, 9))
    (chain, *_) = made.chains()
    at = chain.strikes.index(24_000.0)
    assert chain.figures.time_to_expiry == pytest.approx(425 / YEAR_MINUTES, rel=1e-3)
    solved = records[records["status"] == Status.OK]["implied_vol"][0]
    assert chain.calls.implied_vol[at] == pytest.approx(float(solved), rel=2e-3)


def test_exchange_whose_hours_nobody_knows_counts_by_the_calendar() -> None:
    rows = listed()
    rows["exchange"][rows["expiry"] == 20260915] = b"NOWHERE"
    tables = contracts(rows)
    TradingTime(tables, CALENDAR).turn_to(moment_ns(FRIDAY, time(15, 0)))
    near = tables.groups["expiry_ns"] == EXPIRY_NS
    assert tables.groups["trading_year_ns"][near].tolist() == [0.0]
    assert volatility_years(tables.groups[near][0], 0.01) == 0.01


def test_past_candle_is_priced_in_the_same_time_as_a_live_tick() -> None:
    begins_s = moment_ns(FRIDAY, time(14, 59)) // 10**9
    candle = np.zeros(1, CANDLE_DTYPE)
    candle["begins_s"], candle["volume"], candle["oi"] = begins_s, 65, -1
    paid = round(worth(425 / YEAR_MINUTES, 5_800 / 525_600), 2)
    spot = candle.copy()
    for name in ("open", "high", "low", "close"):
        candle[name], spot[name] = paid, SPOT
    terms = Option("NFO", 24_000.0, 1.0, EXPIRY_NS, 0.05, "NIFTY")
    (row,) = price(candle, terms, References(spot[:0], spot), "minute", TRADING)
    live = record_of(TRADING, moment_ns(FRIDAY, time(15, 0)), paid)
    assert row["time_to_expiry"] == pytest.approx(float(live["time_to_expiry"]), rel=1e-12)
    for name in ("implied_vol", "vega_per_vol_point", "theta_per_day", "vanna", "vomma", "charm"):
        assert row[name] == pytest.approx(float(live[name]), rel=1e-5)
