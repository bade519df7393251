"""Every row says what it was made of, or why it was not: forward, price, time, status, sanity."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich import metrics
from enrich.batch import Batches
from enrich.chain import ChainOptions
from enrich.engine import Derived, Engine
from enrich.parameters import Parameters
from shared.clock import ManualClock
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire.instruments import Kind
from shared.wire.ticks import Flag, ForwardSource, PriceSource, Status, TickFlag
from tests.support.engines import engine, enriched, last_of
from tests.support.kite_market import (
    DAY_S,
    EXPIRY_S,
    FAR,
    FUTURE,
    INDEX,
    NOW_NS,
    NOW_S,
    RATE,
    SHARE,
    STRIKES,
    UNKNOWN,
    YEAR_S,
    chain,
    header,
    index_packet,
    instruments,
    option,
    packet,
    segments,
)

ROOT = Path(__file__).parents[3]
CALL, PUT = option(Kind.CALL, 24_000.0), option(Kind.PUT, 24_000.0)
FAR_CALL = option(Kind.CALL, 24_000.0, FAR)
SPOT, S = 24_000.0, 1_000_000_000
GREEKS = ("delta", "gamma", "theta_per_day", "vega_per_vol_point", "rho_per_percent", "vanna",
          "vomma", "charm", "iv_tick")  # fmt: skip
TOKENS = st.sampled_from(
    [INDEX, FUTURE, SHARE, UNKNOWN]
    + [option(kind, strike) for kind in (Kind.CALL, Kind.PUT) for strike in STRIKES]
)


def said(made: Engine, after_s: float, *packets: bytes) -> np.ndarray:
    at_ns = NOW_NS + round(after_s * S)
    return enriched(made, segments(packets, at_ns=at_ns))


def test_row_names_its_forwards_source_value_age_underlying_and_parameters() -> None:
    made = engine()
    carried = last_of(said(made, 0, index_packet(SPOT), packet(CALL, 150.0)), CALL)
    assert carried["forward_source"] == ForwardSource.SPOT_CARRY
    grown = SPOT * math.exp((RATE - 0.012) * 3 / 365)
    assert carried["forward"] == pytest.approx(grown, rel=1e-12)
    future = packet(FUTURE, 24_100.0)
    woven = last_of(said(made, 1, index_packet(SPOT), future, packet(CALL, 150.0)), CALL)
    assert woven["forward_source"] == ForwardSource.FUTURE_INTERPOLATED
    share = (EXPIRY_S[0] - NOW_S) / (EXPIRY_S[1] - NOW_S)
    assert woven["forward"] == pytest.approx(SPOT * (24_100.0 / SPOT) ** share, rel=1e-6)
    own = last_of(said(made, 2, future, packet(FAR_CALL, 400.0)), FAR_CALL)
    assert (own["forward_source"], own["forward"]) == (ForwardSource.FUTURE, 24_100.0)
    paired = last_of(said(made, 3, index_packet(SPOT), *chain(24_010.0), *chain(24_010.0)), CALL)
    assert paired["forward_source"] == ForwardSource.PARITY
    assert paired["forward"] == pytest.approx(24_010.0, abs=0.05)
    later = last_of(said(made, 4.5, packet(CALL, 150.0)), CALL)
    assert later["forward_age_ms"] == pytest.approx(1_500, abs=5)
    for row in (carried, woven, own, paired, later):
        assert row["parameters_id"] == 3
        assert row["underlying_price"] == SPOT
        assert row["underlying_token"] == INDEX
        assert row["price"] > 0.0
        assert row["price_source"] == PriceSource.MID


def other_underlying() -> np.ndarray:
    """Return the market with a second index, whose options are the first one's, renumbered."""
    first = instruments()
    second = first[first["underlying"] == b"NIFTY"].copy()
    second["instrument_token"] += 10_000_000
    second["underlying_token"] += 10_000_000
    second["underlying"] = b"OTHER"
    return np.sort(np.concatenate((first, second)), order="instrument_token")


def test_underlying_has_a_forward_of_its_own() -> None:
    made = engine(other_underlying())
    other = index_packet(30_000.0)
    other = other[:0] + (INDEX + 10_000_000).to_bytes(4, "big") + other[4:]
    records = said(
        made, 0, index_packet(SPOT), other, packet(CALL, 150.0), packet(CALL + 10_000_000, 6_010.0)
    )
    mine, its = last_of(records, CALL), last_of(records, CALL + 10_000_000)
    assert (mine["underlying_price"], its["underlying_price"]) == (SPOT, 30_000.0)
    assert its["forward"] / mine["forward"] == pytest.approx(30_000.0 / SPOT, rel=1e-12)
    moved = said(made, 1, index_packet(SPOT + 50.0), packet(CALL + 10_000_000, 6_010.0))
    assert last_of(moved, CALL + 10_000_000)["forward"] == pytest.approx(
        float(its["forward"]), rel=1e-6
    )


@pytest.mark.parametrize(
    ("price_input", "source", "price"),
    [("mid", PriceSource.MID, 150.05), ("last", PriceSource.LAST, 150.0)],
)
def test_price_is_the_one_the_operator_prefers_and_the_row_says_which(
    price_input: str, source: PriceSource, price: float
) -> None:
    made = engine(price_input=price_input)
    row = last_of(
        said(made, 0, index_packet(SPOT), packet(CALL, 150.0, bid=149.9, ask=150.2)), CALL
    )
    assert (row["price_source"], row["price"]) == (source, pytest.approx(price))


def test_expiry_day_has_no_floor_and_the_moment_itself_is_the_end() -> None:
    made, end_s = engine(), EXPIRY_S[0]
    for left_s, status in ((60, Status.OK), (1, Status.OK), (0, Status.EXPIRED)):
        stamp_s = end_s - left_s
        records = said(
            made, stamp_s - NOW_S, index_packet(SPOT, stamp_s), packet(CALL, 8.0, stamp_s=stamp_s)
        )
        row = last_of(records, CALL)
        assert row["status"] == status
        assert row["time_to_expiry"] == pytest.approx(left_s / YEAR_S, rel=1e-12)
        if left_s:
            assert row["flags"] & Flag.EXPIRY_WINDOW
            assert row["flags"] & Flag.THETA_GT_TIME_VALUE
    assert all(np.isnan(row[name]) for name in ("implied_vol", *GREEKS))


def test_expired_option_is_never_priced_again_not_even_by_its_twin_or_in_a_chain() -> None:
    derived = Derived(ChainOptions())
    made = Engine(instruments(), 7, Parameters(rate=RATE), derived)
    late_s = EXPIRY_S[0] + DAY_S
    quotes = [packet(CALL, 500.0, stamp_s=late_s, bid=0, ask=0), packet(PUT, 9.0, stamp_s=late_s)]
    records = np.concatenate(
        [
            said(made, late_s - NOW_S + each, index_packet(24_500.0, late_s), *quotes)
            for each in range(3)
        ]
    )
    options = records[np.isin(records["instrument_token"], (CALL, PUT))]
    assert set(options["status"].tolist()) == {Status.EXPIRED}
    assert np.isnan(options["implied_vol"]).all()
    assert [chain.expiry for chain in made.chains() if chain.expiry == "2026-09-01"] == []


def test_option_without_underlying_is_enriched_with_the_next_tick_after_it_comes() -> None:
    made = engine()
    first = last_of(said(made, 0, packet(CALL, 150.0)), CALL)
    assert first["status"] == Status.NO_UNDERLYING
    assert first["last_price"] == 150.0
    assert all(np.isnan(first[name]) for name in ("implied_vol", *GREEKS))
    second = last_of(said(made, 1, index_packet(SPOT), packet(CALL, 150.0)), CALL)
    assert second["status"] == Status.OK
    assert 0.0 < second["implied_vol"] < 1.0


@given(
    st.lists(
        st.tuples(
            TOKENS,
            st.floats(0.0, 30_000.0),
            st.floats(-1.0, 3.0),
            st.sampled_from([0, 0, 1, -5, 2 * DAY_S, 4 * DAY_S, 400 * DAY_S]),
            st.booleans(),
        ),
        min_size=1,
        max_size=25,
    )
)
@settings(max_examples=60)
def test_number_is_missing_exactly_where_the_status_says_so(drawn) -> None:
    made = engine()
    records = [said(made, 0.0, index_packet(SPOT))]
    for at, (token, price, width, stamp, has_book) in enumerate(drawn):
        spread = {"bid": max(0.0, price - width), "ask": price + width} if has_book else {
            "bid": 0, "ask": 0}  # fmt: skip
        told = (
            index_packet(price, NOW_S + stamp)
            if token == INDEX
            else packet(token, price, stamp_s=NOW_S + stamp, **spread)
        )
        records.append(said(made, 0.1 * at, told))
    rows = np.concatenate(records)
    solved = rows["status"] == Status.OK
    for name in ("implied_vol", *GREEKS):
        assert np.isfinite(rows[name][solved]).all(), name
        assert np.isnan(rows[name][~solved]).all(), f"{name}: null, never nought or capped"
    assert (rows["implied_vol"][solved] > 0.0).all()
    assert set(rows["status"].tolist()) <= {int(each) for each in Status}
    unpriced = np.isin(rows["status"], (Status.NO_UNDERLYING, Status.BAD_INPUT))
    assert np.isnan(rows["forward"][unpriced]).all()


def test_documentation_says_of_every_status_and_flag_what_to_do() -> None:
    page = (ROOT / "docs/greeks.md").read_text()
    missing = [each.name for kind in (Status, Flag, TickFlag) for each in kind
               if f"`{each.name}`" not in page]  # fmt: skip
    assert missing == []


def test_ticks_that_cannot_be_come_late_repeat_or_are_unknown_are_counted_apart() -> None:
    counters = {
        "impossible": metrics.KEPT_OUT.labels("impossible"),
        "backwards": metrics.KEPT_OUT.labels("backwards"),
        "repeated": metrics.REPEATED,
        "unknown": metrics.UNKNOWN_INSTRUMENTS,
    }
    before = {name: counter._value.get() for name, counter in counters.items()}
    negative = packet(SHARE, 1_500.0)
    negative = negative[:4] + (2**32 - 5).to_bytes(4, "big") + negative[8:]
    told = [
        packet(SHARE, 1_500.0),
        packet(SHARE, 1_500.0),
        negative,
        packet(SHARE, 1_400.0, stamp_s=NOW_S - 9),
        packet(UNKNOWN, 7.0),
    ]
    batches = Batches(engine(), ManualClock(NOW_NS))
    batches.start(1)
    fields = {b"h": header(len(told)), b"s": segments(told)}
    batches.enrich(1, 5, [Entry("ticks.raw.v1.1", EntryId(1, 0), fields)], late=False)
    after = {name: counter._value.get() - before[name] for name, counter in counters.items()}
    assert after == {"impossible": 1, "backwards": 1, "repeated": 1, "unknown": 1}
    newest = batches.engine.last.ticked()
    assert newest["instrument_token"].tolist() == [SHARE], "what is not in the dump leaves no trace"
    assert newest["last_price"].tolist() == [1_500.0]
