from __future__ import annotations

import numpy as np

from enrich.contracts import Contracts, contracts
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from tests.support.kite_market import EXPIRY_S, FAR, FUTURE, INDEX, NEAR, SHARE, STRIKES, option
from tests.support.kite_market import instruments as market


def tables() -> Contracts:
    return contracts(market())


def row_of(found: Contracts, token: int) -> int:
    return int(np.flatnonzero(found.tokens == token)[0])


def group_of(found: Contracts, token: int) -> np.void:
    return found.groups[found.states[row_of(found, token)]["group"]]


def test_contracts_keep_the_published_order_and_facts() -> None:
    found = tables()
    assert found.tokens.tolist() == market()["instrument_token"].tolist()
    state = found.states[row_of(found, option(Kind.CALL, 24_000.0))]
    assert (state["strike"], state["tick_size"], state["lot_size"]) == (24_000.0, 0.05, 65)
    assert state["kind"] == Kind.CALL


def test_option_points_at_its_underlying_and_its_expiry_group() -> None:
    found = tables()
    state = found.states[row_of(found, option(Kind.PUT, 24_000.0, FAR))]
    assert found.tokens[state["underlying"]] == INDEX
    assert group_of(found, option(Kind.PUT, 24_000.0, FAR))["expiry_ns"] == EXPIRY_S[FAR] * 10**9
    assert group_of(found, option(Kind.CALL, 24_000.0))["expiry_ns"] == EXPIRY_S[NEAR] * 10**9


def test_group_knows_the_future_of_its_own_expiry_only() -> None:
    found = tables()
    assert group_of(found, option(Kind.CALL, 24_000.0, NEAR))["future"] == -1
    assert found.tokens[group_of(found, option(Kind.CALL, 24_000.0, FAR))["future"]] == FUTURE


def test_group_has_no_rate_and_no_reference_yet() -> None:
    group = group_of(tables(), FUTURE)
    assert (group["rate"], group["dividend_yield"], group["reference"]) == (0.0, 0.0, -1)


def test_ladder_of_a_group_is_ascending_with_call_and_put_of_each_strike() -> None:
    found = tables()
    for expiry in (NEAR, FAR):
        group = group_of(found, option(Kind.CALL, 24_000.0, expiry))
        ladder = found.strikes[group["strikes_start"] : group["strikes_end"]]
        assert ladder["strike"].tolist() == list(STRIKES)
        assert found.tokens[ladder["call"]].tolist() == [
            option(Kind.CALL, strike, expiry) for strike in STRIKES
        ]
        assert found.tokens[ladder["put"]].tolist() == [
            option(Kind.PUT, strike, expiry) for strike in STRIKES
        ]


def test_strike_listed_as_a_call_only_has_no_put() -> None:
    kept = market()
    kept = kept[kept["instrument_token"] != option(Kind.PUT, 24_000.0)]
    found = contracts(kept)
    group = group_of(found, option(Kind.CALL, 24_000.0))
    ladder = found.strikes[group["strikes_start"] : group["strikes_end"]]
    assert ladder["put"][STRIKES.index(24_000.0)] == -1


def test_underlying_that_is_not_listed_is_minus_one() -> None:
    kept = market()
    kept = kept[kept["instrument_token"] != INDEX]
    found = contracts(kept)
    assert found.states[row_of(found, option(Kind.CALL, 24_000.0))]["underlying"] == -1
    assert group_of(found, option(Kind.CALL, 24_000.0))["underlying"] == -1


def test_share_has_no_group_and_is_its_own_underlying() -> None:
    found = tables()
    state = found.states[row_of(found, SHARE)]
    assert state["group"] == -1
    assert found.tokens[state["underlying"]] == SHARE


def test_same_name_and_date_on_two_exchanges_are_two_groups() -> None:
    listed = market()
    other = listed[listed["instrument_token"] == option(Kind.CALL, 24_000.0)].copy()
    other["exchange"], other["instrument_token"] = b"BFO", 2**31
    found = contracts(np.concatenate((listed, other)))
    states = found.states
    assert (
        states[row_of(found, 2**31)]["group"]
        != (states[row_of(found, option(Kind.CALL, 24_000.0))]["group"])
    )


def test_no_instruments_give_empty_tables() -> None:
    found = contracts(np.zeros(0, INSTRUMENT_DTYPE))
    assert [len(found.tokens), len(found.states), len(found.groups), len(found.strikes)] == [0] * 4


def test_underlying_knows_the_rows_of_all_its_expiries() -> None:
    found = contracts(market())
    assert {name: rows.tolist() for name, rows in found.underlyings.items()} == {"NIFTY": [0, 1]}


def test_group_knows_the_futures_that_expire_round_it() -> None:
    found = tables()
    near = group_of(found, option(Kind.CALL, 24_000.0, NEAR))
    far = group_of(found, option(Kind.CALL, 24_000.0, FAR))
    assert found.tokens[near["future_after"]] == FUTURE
    assert (near["future_before"], far["future_before"], far["future_after"]) == (-1, -1, -1)


def test_option_points_at_the_other_side_of_its_strike() -> None:
    found = tables()
    call = found.states[row_of(found, option(Kind.CALL, 24_000.0))]
    assert found.tokens[call["twin"]] == option(Kind.PUT, 24_000.0)
    assert found.states[row_of(found, SHARE)]["twin"] == -1
