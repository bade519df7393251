from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.kernels import forward
from enrich.kernels.forward import (
    PAIRS_MAX,
    SOURCE_FUTURE,
    SOURCE_NONE,
    SOURCE_PARITY,
    SOURCE_SPOT_CARRY,
    YEAR_NS,
)
from enrich.kernels.state import GROUP_STATE, INSTRUMENT_STATE, PARAMETERS, STRIKE
from shared.wire.ticks import ForwardSource

NOW_NS = 10**18
S = 10**9
YEARS = 0.02
REMAINING_NS = round(YEARS * YEAR_NS)
RATE, YIELD = 0.06, 0.01
STRIKES = (23_800.0, 23_900.0, 24_000.0, 24_100.0, 24_200.0, 24_300.0)
#: Rows of the states: the underlying, the future, then call and put of each strike.
SPOT_ROW, FUTURE_ROW, FIRST_OPTION = 0, 1, 2


class Expiry:
    """One expiry whose quotes belong together, made from a forward."""

    def __init__(self, true_forward: float = 24_050.0, *, strikes=STRIKES) -> None:
        self.states = np.zeros(FIRST_OPTION + 2 * len(strikes), INSTRUMENT_STATE)
        self.strikes = np.zeros(len(strikes), STRIKE)
        self.groups = np.zeros(1, GROUP_STATE)
        self.parameters = np.zeros(1, PARAMETERS)
        self.parameters["parity_age_max_ns"] = 5 * S
        self.parameters["parity_refresh_ns"] = S // 4
        self.parameters["parity_spread_ratio_max"] = 0.02
        self.group["rate"], self.group["dividend_yield"] = RATE, YIELD
        self.group["future"] = self.group["reference"] = -1
        self.group["underlying"] = SPOT_ROW
        self.group["strikes_end"] = len(strikes)
        self.tick(SPOT_ROW, 24_000.0, order=1)
        for number, strike in enumerate(strikes):
            call, put = FIRST_OPTION + 2 * number, FIRST_OPTION + 2 * number + 1
            self.strikes[number] = (strike, call, put)
            gap = (true_forward - strike) * math.exp(-RATE * YEARS)
            self.tick(call, 200.0 + max(gap, 0.0), order=2)
            self.tick(put, 200.0 + max(-gap, 0.0), order=2)

    @property
    def group(self) -> np.void:
        return self.groups[0]

    def tick(self, row: int, price: float, *, order: int, age_s: float = 0.0) -> None:
        state = self.states[row]
        state["price"], state["order"] = price, order
        state["received_at_ns"] = NOW_NS - round(age_s * S)
        state["sane"], state["spread"] = 1, 0.1

    def pair(self, strike: float) -> tuple[np.void, np.void]:
        row = self.strikes[STRIKES.index(strike)]
        return self.states[row["call"]], self.states[row["put"]]

    def refresh(self, now_ns: int = NOW_NS) -> tuple[int, float]:
        forward.refresh_forward(
            self.group,
            self.states,
            self.strikes,
            now_ns,
            REMAINING_NS,
            self.parameters[0],
            np.zeros((2, PAIRS_MAX)),
        )
        return int(self.group["source"]), float(self.group["forward"])


def test_parity_finds_the_forward_the_quotes_were_made_from() -> None:
    assert Expiry(24_050.0).refresh() == (SOURCE_PARITY, pytest.approx(24_050.0))


def test_one_stale_leg_does_not_move_the_forward() -> None:
    made = Expiry()
    made.pair(24_000.0)[0]["price"] += 500.0
    assert made.refresh()[1] == pytest.approx(24_050.0)


def test_strikes_far_from_the_money_are_not_asked() -> None:
    made = Expiry()
    made.pair(24_300.0)[0]["price"] = math.nan
    assert made.refresh()[1] == pytest.approx(24_050.0)


def test_forward_follows_the_reference_between_two_looks_at_parity() -> None:
    made = Expiry()
    made.refresh()
    made.tick(SPOT_ROW, 24_010.0, order=3)
    assert made.refresh(NOW_NS + S // 10) == (SOURCE_PARITY, pytest.approx(24_060.0))


@pytest.mark.parametrize(
    ("field", "value"),
    [("sane", 0), ("order", 0), ("received_at_ns", NOW_NS - 6 * S), ("spread", 30.0)],
    ids=["insane book", "older than the reference's move", "old", "wide"],
)
def test_fewer_than_three_pairs_that_belong_together_give_no_parity(field, value) -> None:
    made = Expiry()
    for strike in (23_800.0, 23_900.0):
        made.pair(strike)[1][field] = value
    assert made.refresh()[0] == SOURCE_PARITY
    made.pair(24_000.0)[0][field] = value
    assert made.refresh(NOW_NS + S)[0] == SOURCE_PARITY, "the basis is kept while it is young"
    assert expiry_with(field, value).refresh()[0] == SOURCE_SPOT_CARRY


def expiry_with(field: str, value: float) -> Expiry:
    made = Expiry()
    for strike in STRIKES:
        made.pair(strike)[0][field] = value
    return made


def test_strike_with_a_missing_leg_is_no_pair() -> None:
    made = Expiry()
    made.strikes["put"][:3] = -1
    assert made.refresh()[0] == SOURCE_SPOT_CARRY


def test_two_strikes_are_too_few_for_parity() -> None:
    assert Expiry(strikes=STRIKES[2:4]).refresh()[0] == SOURCE_SPOT_CARRY


def test_carry_grows_the_spot_by_rate_less_yield() -> None:
    carried = 24_000.0 * math.exp((RATE - YIELD) * YEARS)
    assert expiry_with("sane", 0).refresh()[1] == pytest.approx(carried)


def test_old_parity_gives_way_once_it_is_over_its_age() -> None:
    made = Expiry()
    made.refresh()
    made.states["sane"] = 0
    assert made.refresh(NOW_NS + 5 * S)[0] == SOURCE_PARITY
    assert made.refresh(NOW_NS + 5 * S + 1)[0] == SOURCE_SPOT_CARRY


def test_future_of_the_expiry_is_the_reference_while_it_is_fresh() -> None:
    made = expiry_with("sane", 0)
    made.group["future"] = FUTURE_ROW
    made.tick(FUTURE_ROW, 24_070.0, order=1)
    assert made.refresh() == (SOURCE_FUTURE, 24_070.0)
    assert made.group["reference"] == FUTURE_ROW


def test_stale_future_gives_way_to_the_spot_and_parity_is_measured_anew() -> None:
    made = Expiry()
    made.group["future"] = FUTURE_ROW
    made.tick(FUTURE_ROW, 24_070.0, order=1)
    assert made.refresh() == (SOURCE_PARITY, pytest.approx(24_050.0))
    made.states[FUTURE_ROW]["received_at_ns"] = NOW_NS - 6 * S
    assert made.refresh() == (SOURCE_PARITY, pytest.approx(24_050.0))
    assert made.group["reference"] == SPOT_ROW
    assert made.group["basis"] == pytest.approx(50.0)


def test_stale_future_is_better_than_nothing() -> None:
    made = expiry_with("sane", 0)
    made.group["future"], made.group["underlying"] = FUTURE_ROW, -1
    made.tick(FUTURE_ROW, 24_070.0, order=1, age_s=60)
    assert made.refresh() == (SOURCE_FUTURE, 24_070.0)
    assert made.group["age_ms"] == 60_000


def test_neither_future_nor_spot_is_no_forward() -> None:
    made = Expiry()
    made.states[SPOT_ROW]["price"] = 0.0
    source, value = made.refresh()
    assert source == SOURCE_NONE
    assert math.isnan(value)


def test_age_is_that_of_the_oldest_input() -> None:
    made = Expiry()
    made.refresh(NOW_NS)
    made.states[SPOT_ROW]["received_at_ns"] = NOW_NS + S // 5
    made.refresh(NOW_NS + S // 5)
    assert made.group["age_ms"] == 200


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 30), st.floats(23_000, 25_000))
def test_nearest_strike_is_the_nearest(count: int, price: float) -> None:
    ladder = np.zeros(count + 1, STRIKE)
    ladder["strike"] = 23_500.0 + 50.0 * np.arange(count + 1)
    row = forward.nearest_strike(ladder, 0, count + 1, price)
    assert abs(ladder["strike"][row] - price) == np.abs(ladder["strike"] - price).min()


def test_weighted_median_resists_an_outlier_and_halves_a_tie() -> None:
    def median(values, weights):
        return forward.weighted_median(np.array(values), np.array(weights), len(values))

    assert median([1.0, 1000.0, 2.0], [1.0, 1.0, 1.0]) == 2.0
    assert median([3.0, 1.0], [1.0, 1.0]) == 2.0
    assert median([5.0, 1.0, 2.0], [10.0, 1.0, 1.0]) == 5.0
    assert median([7.0], [0.1]) == 7.0


def test_codes_are_those_of_the_wire() -> None:
    assert (SOURCE_NONE, SOURCE_PARITY, SOURCE_FUTURE, SOURCE_SPOT_CARRY) == (
        ForwardSource.NONE,
        ForwardSource.PARITY,
        ForwardSource.FUTURE,
        ForwardSource.SPOT_CARRY,
    )
