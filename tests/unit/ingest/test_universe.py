from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.following import Centre, Reluctance, followed
from ingest.universe import Listing, Window, Wish, strike_step, universe
from shared.market.instruments import HEADER, parse

TODAY = 20260810


def market() -> np.ndarray:
    rows = ["256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE"]
    rows += ["408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE"]
    number = 40_000
    for expiry in ("2026-08-04", "2026-08-18", "2026-08-25"):
        number += 1
        rows.append(
            f"{number * 256 + 2},{number},NIFTY{expiry}FUT,NIFTY,0,{expiry},0,0.1,65,FUT,NFO-FUT,NFO"
        )
        for strike in range(24_000, 25_050, 50):
            for kind in ("CE", "PE"):
                number += 1
                rows.append(
                    f"{number * 256 + 2},{number},NIFTY{expiry}{strike}{kind},NIFTY,0,{expiry},"
                    f"{strike},0.05,65,{kind},NFO-OPT,NFO"
                )
    return parse("\n".join([HEADER, *rows, ""]).encode()).records


LISTING = Listing(market())


def nifty(expiries: int, **near: float) -> Wish:
    return Wish((Window("NIFTY", expiries, **near),))


def chosen(wish: Wish, centre: float | None = 24_510.0) -> np.ndarray:
    instruments = market()
    centres = {"NIFTY": centre} if centre else {}
    made = universe(Listing(instruments), wish, centres, TODAY)
    return instruments[np.isin(instruments["instrument_token"], made.tokens)]


def test_window_takes_strikes_on_both_sides_of_the_money() -> None:
    rows = chosen(nifty(1, each_side=2))
    strikes = np.unique(rows["strike"][rows["kind"] >= 3])
    assert strikes.tolist() == [24_450.0, 24_500.0, 24_550.0, 24_600.0]


def test_window_by_delta_takes_a_band_with_one_strike_beyond_on_either_side() -> None:
    made = universe(
        LISTING,
        nifty(1, delta=0.1),
        {"NIFTY": 24_510.0},
        TODAY,
        {("NIFTY", 20260818): (24_410.0, 24_590.0)},
    )
    rows = LISTING.instruments[np.isin(LISTING.instruments["instrument_token"], made.tokens)]
    strikes = np.unique(rows["strike"][rows["kind"] >= 3])
    assert strikes.tolist() == [24_400.0, 24_450.0, 24_500.0, 24_550.0, 24_600.0]


def test_window_by_delta_takes_every_strike_until_deltas_are_known() -> None:
    rows = chosen(nifty(1, delta=0.1))
    assert len(np.unique(rows["strike"][rows["kind"] >= 3])) == 21


def test_expired_contracts_are_not_wanted_and_futures_always_are() -> None:
    rows = chosen(nifty(1, each_side=2))
    assert np.unique(rows["expiry"][rows["kind"] >= 3]).tolist() == [20260818]
    assert np.unique(rows["expiry"][rows["kind"] == 2]).tolist() == [20260818, 20260825]


def test_whole_expiry_is_taken_when_no_window_is_asked() -> None:
    rows = chosen(nifty(2, each_side=0))
    assert (rows["kind"] >= 3).sum() == 2 * 21 * 2


def test_nearest_options_come_before_far_ones_and_underlyings_before_all() -> None:
    instruments = market()
    made = universe(Listing(instruments), nifty(1, each_side=5), {"NIFTY": 24_510.0}, TODAY)
    by_token = {int(row["instrument_token"]): row for row in instruments}
    ordered = [by_token[token] for token in made.tokens]
    assert [int(row["kind"]) for row in ordered[:3]] == [1, 2, 2]
    distances = [abs(row["strike"] - 24_510.0) for row in ordered[3:]]
    assert distances == sorted(distances)


def test_what_is_not_listed_is_named() -> None:
    made = universe(
        Listing(market()), Wish((Window("GOLD", 1, 1),), (), ("NSE:INFY", "NSE:NOPE")), {}, TODAY
    )
    assert made.missing == ("NSE:NOPE", "GOLD")
    assert made.tokens == (408065,)


def test_window_in_percent_takes_the_strikes_within_it() -> None:
    rows = chosen(nifty(1, percent=0.5))
    strikes = np.unique(rows["strike"][rows["kind"] >= 3])
    assert strikes.tolist() == [24_400.0, 24_450.0, 24_500.0, 24_550.0, 24_600.0]


def test_whole_expiry_is_pinned_beside_a_window() -> None:
    wish = Wish((Window("NIFTY", 1, 1),), whole=(("NIFTY", 20260825),))
    rows = chosen(wish)
    options = rows[rows["kind"] >= 3]
    assert (options["expiry"] == 20260818).sum() == 4
    assert (options["expiry"] == 20260825).sum() == 42


def test_whole_expiry_alone_takes_its_underlying_and_futures_along() -> None:
    rows = chosen(Wish(whole=(("NIFTY", 20260825),)))
    assert sorted(set(rows["kind"].tolist())) == [1, 2, 3, 4]


def test_window_rolls_over_with_the_date() -> None:
    listing = Listing(market())
    for today, nearest in ((20260804, 20260804), (20260805, 20260818), (20260819, 20260825)):
        made = universe(listing, nifty(1, each_side=2), {"NIFTY": 24_510.0}, today)
        rows = listing.instruments[
            np.isin(listing.instruments["instrument_token"], sorted(made.chains["NIFTY"]))
        ]
        assert np.unique(rows["expiry"]).tolist() == [nearest]


@given(
    centre=st.floats(1_000.0, 60_000.0),
    each_side=st.integers(1, 30),
    expiries=st.integers(1, 5),
)
def test_window_is_never_larger_than_asked_for_and_always_next_to_the_money(
    centre: float, each_side: int, expiries: int
) -> None:
    listing = LISTING
    made = universe(listing, nifty(expiries, each_side=each_side), {"NIFTY": centre}, TODAY)
    assert len(made.chains["NIFTY"]) <= 2 * 2 * each_side * min(expiries, 2)
    rows = listing.instruments[
        np.isin(listing.instruments["instrument_token"], sorted(made.chains["NIFTY"]))
    ]
    if 24_000.0 <= centre <= 25_000.0:
        assert np.abs(rows["strike"] - centre).min() <= 50.0
    assert len(set(made.tokens)) == len(made.tokens)


RELUCTANCE = Reluctance(steps=1.0, dwell_s=10.0)


def test_window_follows_the_money_only_past_its_hysteresis() -> None:
    here = Centre(24_500.0, 0.0)
    assert followed(here, 24_540.0, 50.0, 60.0, RELUCTANCE) == here
    assert followed(here, 24_560.0, 50.0, 60.0, RELUCTANCE) == Centre(24_560.0, 60.0)
    assert followed(None, 24_560.0, 50.0, 60.0, RELUCTANCE) == Centre(24_560.0, 60.0)


def test_window_dwells_before_it_follows_again() -> None:
    here = Centre(24_500.0, 100.0)
    assert followed(here, 24_900.0, 50.0, 109.9, RELUCTANCE) == here
    assert followed(here, 24_900.0, 50.0, 110.0, RELUCTANCE) == Centre(24_900.0, 110.0)


@given(st.lists(st.floats(20_000.0, 30_000.0), max_size=60))
def test_window_never_moves_more_often_than_it_dwells(prices: list[float]) -> None:
    centre, moves = None, []
    for second, price in enumerate(prices):
        following = followed(centre, price, 50.0, float(second), RELUCTANCE)
        if following != centre:
            moves.append(second)
        centre = following
    assert all(after - before >= 10 for before, after in itertools.pairwise(moves))


def test_strike_step_is_the_distance_next_to_the_money() -> None:
    assert strike_step([100.0, 200.0, 250.0, 300.0], 240.0) == 50.0
    assert strike_step([100.0], 240.0) == 0.0


def test_symbol_is_looked_up_on_its_own_exchange_only() -> None:
    rows = market()
    for row in rows[:: max(len(rows) // 20, 1)]:
        name = row["tradingsymbol"].decode()
        assert LISTING.token(f"{row['exchange'].decode()}:{name}") == row["instrument_token"]
        assert LISTING.token(f"MCX:{name}") == 0
    assert LISTING.token("NSE:" + "X" * 50) == LISTING.token("NSE:") == LISTING.token("INFY") == 0
