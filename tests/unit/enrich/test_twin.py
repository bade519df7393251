"""An option in the money without a price of its own takes its twin's volatility, and says so."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from enrich.chain import ChainOptions
from enrich.engine import Derived, Engine
from enrich.parameters import Parameters
from shared.wire.instruments import Kind
from shared.wire.ticks import Flag, PriceSource, Status
from tests.support.engines import enriched
from tests.support.kite_market import (
    EXPIRY_S,
    NOW_NS,
    NOW_S,
    RATE,
    VOL,
    YEAR_S,
    chain,
    fair,
    index_packet,
    instruments,
    option,
    packet,
    segments,
)

FORWARD, STRIKE = 24_010.0, 23_800.0
ITM, OTM = option(Kind.CALL, STRIKE), option(Kind.PUT, STRIKE)
YEARS = (EXPIRY_S[0] - NOW_S) / YEAR_S
INTRINSIC = (FORWARD - STRIKE) * math.exp(-RATE * YEARS)
S = 1_000_000_000


def engine(*, twin_for_itm: bool = True) -> Engine:
    parameters = Parameters(rate=RATE, twin_for_itm=twin_for_itm)
    made = Engine(instruments(), 7, parameters, Derived(ChainOptions()))
    enriched(made, segments([index_packet(24_000.0)], chain(FORWARD)))
    return made


def below_intrinsic() -> bytes:
    """The call in the money at a book below parity value."""
    return packet(ITM, INTRINSIC - 20.0)


def test_price_below_intrinsic_value_takes_the_volatility_of_the_other_side() -> None:
    (record,) = enriched(engine(), segments([below_intrinsic()]))
    assert record["status"] == Status.OK
    assert record["flags"] & Flag.FROM_OTM_TWIN
    assert record["implied_vol"] == pytest.approx(VOL, abs=0.001)
    total = VOL * math.sqrt(YEARS)
    d1 = math.log(FORWARD / STRIKE) / total + total / 2
    assert record["delta"] == pytest.approx(NormalDist().cdf(d1), abs=0.005)
    put = fair(Kind.PUT, STRIKE, FORWARD, YEARS)
    assert record["price"] == pytest.approx(put + INTRINSIC, abs=0.05)
    assert record["price_source"] == PriceSource.MID
    assert record["time_value"] == pytest.approx(put, rel=1e-3)
    assert record["mid_price"] == pytest.approx(INTRINSIC - 20.0, abs=0.05)


def test_stale_trade_in_the_money_is_not_solved_but_its_twin() -> None:
    old = packet(ITM, INTRINSIC + 90.0, traded_s=NOW_S - 3_600, bid=0.0, ask=0.0)
    (record,) = enriched(engine(), segments([old]))
    assert record["flags"] & (Flag.FROM_OTM_TWIN | Flag.PRICE_STALE) == Flag.FROM_OTM_TWIN
    assert record["implied_vol"] == pytest.approx(VOL, abs=0.001)


def test_good_price_in_the_money_is_its_own() -> None:
    price = fair(Kind.CALL, STRIKE, FORWARD, YEARS)
    (record,) = enriched(engine(), segments([packet(ITM, price)]))
    assert record["flags"] & Flag.FROM_OTM_TWIN == 0
    assert record["price"] == pytest.approx(price, abs=1e-9)


def test_option_out_of_the_money_never_borrows() -> None:
    (record,) = enriched(engine(), segments([packet(OTM, 0.0, bid=0.0, ask=0.0)]))
    assert record["status"] == Status.NO_PRICE
    assert record["flags"] & Flag.FROM_OTM_TWIN == 0


@pytest.mark.parametrize("why", ["old", "no book", "switched off", "not listed"])
def test_without_a_fit_twin_the_row_says_why_it_has_no_volatility(why: str) -> None:
    made = engine(twin_for_itm=why != "switched off")
    if why == "not listed":
        listed = instruments()
        made = Engine(listed[listed["instrument_token"] != OTM], 7, Parameters(rate=RATE))
        enriched(made, segments([index_packet(24_000.0)], chain(FORWARD)))
    if why == "no book":
        enriched(made, segments([packet(OTM, 5.0, bid=0.0)]))
    at_ns = NOW_NS + (6 * S if why == "old" else S // 10)
    raw = segments([index_packet(24_000.0), below_intrinsic()], at_ns=at_ns)
    record = enriched(made, raw)[-1]
    assert record["status"] == Status.BELOW_INTRINSIC
    assert record["flags"] & Flag.FROM_OTM_TWIN == 0


def test_chain_row_borrows_anew_from_the_twins_newest_quote() -> None:
    made = engine()
    enriched(made, segments([below_intrinsic()], at_ns=NOW_NS + S // 10))
    richer = [packet(OTM, fair(Kind.PUT, STRIKE, FORWARD, YEARS, vol=0.16))]
    enriched(made, segments(richer, at_ns=NOW_NS + S // 5))
    enriched(made, segments([index_packet(24_000.0)], at_ns=NOW_NS + 2 * S))
    row = [each for each in made.chains() if each.expiry == "2026-09-01"][-1].calls
    assert row.flags[0] & Flag.FROM_OTM_TWIN
    assert row.implied_vol[0] == pytest.approx(0.16, abs=0.002)
    assert row.status[0] == Status.OK


def test_borrowed_price_is_not_taken_for_the_options_own_in_parity() -> None:
    made = engine()
    (record,) = enriched(made, segments([below_intrinsic()]))
    assert record["flags"] & Flag.FROM_OTM_TWIN
    records = enriched(made, segments(chain(FORWARD), at_ns=NOW_NS + S // 2))
    assert records["forward"][-1] == pytest.approx(FORWARD, abs=0.05)
