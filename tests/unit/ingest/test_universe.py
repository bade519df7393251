from __future__ import annotations

import numpy as np

from ingest.sharding import assign, balanced, weights
from ingest.universe import Wish, recentred, strike_step, universe
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


def chosen(wish: Wish, centre: float | None = 24_510.0) -> np.ndarray:
    instruments = market()
    centres = {"NIFTY": centre} if centre else {}
    made = universe(instruments, wish, centres, TODAY)
    return instruments[np.isin(instruments["instrument_token"], made.tokens)]


def test_window_takes_strikes_on_both_sides_of_the_money() -> None:
    rows = chosen(Wish(("NIFTY",), expiries=1, strikes_each_side=2))
    strikes = np.unique(rows["strike"][rows["kind"] >= 3])
    assert strikes.tolist() == [24_450.0, 24_500.0, 24_550.0, 24_600.0]


def test_expired_contracts_are_not_wanted_and_futures_always_are() -> None:
    rows = chosen(Wish(("NIFTY",), expiries=1, strikes_each_side=2))
    assert np.unique(rows["expiry"][rows["kind"] >= 3]).tolist() == [20260818]
    assert np.unique(rows["expiry"][rows["kind"] == 2]).tolist() == [20260818, 20260825]


def test_whole_expiry_is_taken_when_no_window_is_asked() -> None:
    rows = chosen(Wish(("NIFTY",), expiries=2, strikes_each_side=0))
    assert (rows["kind"] >= 3).sum() == 2 * 21 * 2


def test_nearest_options_come_before_far_ones_and_underlyings_before_all() -> None:
    instruments = market()
    made = universe(instruments, Wish(("NIFTY",), 1, 5), {"NIFTY": 24_510.0}, TODAY)
    by_token = {int(row["instrument_token"]): row for row in instruments}
    ordered = [by_token[token] for token in made.tokens]
    assert [int(row["kind"]) for row in ordered[:3]] == [1, 2, 2]
    distances = [abs(row["strike"] - 24_510.0) for row in ordered[3:]]
    assert distances == sorted(distances)


def test_what_is_not_listed_is_named() -> None:
    made = universe(market(), Wish(("GOLD",), 1, 1, ("NSE:INFY", "NSE:NOPE")), {}, TODAY)
    assert made.missing == ("NSE:NOPE", "GOLD")
    assert made.tokens == (408065,)


def test_window_follows_the_money_only_past_its_hysteresis() -> None:
    assert recentred(24_500.0, 24_540.0, 50.0, 1.0) == 24_500.0
    assert recentred(24_500.0, 24_560.0, 50.0, 1.0) == 24_560.0
    assert recentred(None, 24_560.0, 50.0, 1.0) == 24_560.0


def test_strike_step_is_the_distance_next_to_the_money() -> None:
    assert strike_step([100.0, 200.0, 250.0, 300.0], 240.0) == 50.0
    assert strike_step([100.0], 240.0) == 0.0


def test_shards_are_balanced_and_the_same_for_the_same_weights() -> None:
    made = balanced({"A": 6, "B": 5, "C": 5, "D": 1}, 2, version=7)
    loads = [0, 0]
    for name, weight in {"A": 6, "B": 5, "C": 5, "D": 1}.items():
        loads[made.shard_of(name)] += weight
    assert sorted(loads) == [7, 10]
    assert made == balanced({"D": 1, "C": 5, "B": 5, "A": 6}, 2, version=7)


def test_an_underlying_and_everything_on_it_share_a_shard() -> None:
    instruments = market()
    weight_of = weights(instruments, instruments["instrument_token"])
    placed = assign(instruments, balanced(weight_of, 2, version=1))
    nifty = placed[placed["underlying"] == b"NIFTY"]
    assert len(np.unique(nifty["shard"])) == 1
    assert weight_of == {"INFY": 1, "NIFTY": 130}
