import math
from fractions import Fraction

import numpy as np
import pytest

from enrich.kernels import layout
from enrich.kernels.carry import TIME_MIN, carry_stage, time_value_and_gap


def test_time_value_out_of_the_money_is_the_price_with_interest() -> None:
    value, gap = time_value_and_gap(2.0, 100.0, 110.0, 1.0, 0.0, 0.25)
    assert (value, gap) == (2.5, -10.0)


def test_time_value_in_the_money_is_that_of_the_twin() -> None:
    value, gap = time_value_and_gap(12.0, 110.0, 100.0, 1.0, 0.0, 0.0)
    assert (value, gap) == (2.0, 10.0)


def test_time_value_at_the_forward_is_the_same_for_both_sides() -> None:
    call, _ = time_value_and_gap(3.0, 100.0, 100.0, 1.0, 0.0, 0.5)
    put, gap = time_value_and_gap(3.0, 100.0, 100.0, -1.0, 0.0, 0.5)
    assert call == put == 4.5
    assert gap == 0.0


def test_gap_keeps_the_digits_that_forming_the_forward_loses() -> None:
    growth = 1e-9 / 3.0
    _, gap = time_value_and_gap(1.0, 24000.0, 24000.0, 1.0, growth, 0.0)
    assert gap == pytest.approx(24000.0 * growth, rel=1e-15, abs=0.0)
    assert (24000.0 + 24000.0 * growth) - 24000.0 != pytest.approx(
        24000.0 * growth, rel=1e-8, abs=0.0
    )


def filled(**columns: float) -> layout.Columns:
    scratch = layout.new_scratch()
    for name, value in columns.items():
        scratch[getattr(layout, name) : getattr(layout, name) + layout.BLOCK_ROWS] = value
    return scratch


ORDINARY = {
    "PRICE": 150.0,
    "UNDERLYING": 24000.0,
    "STRIKE": 24100.0,
    "TIME_TO_EXPIRY": 7 / 365,
    "RATE": 0.065,
    "DIVIDEND_YIELD": 0.012,
    "OPTION_SIGN": 1.0,
}


def test_carry_stage_writes_forward_and_growth_factors() -> None:
    scratch = filled(**ORDINARY)
    carry_stage(scratch)
    row = 5
    growth = math.expm1((0.065 - 0.012) * 7 / 365)
    assert scratch[layout.CARRY_GROWTH + row] == pytest.approx(growth, rel=1e-15, abs=0.0)
    assert scratch[layout.RATE_GROWTH + row] == pytest.approx(
        math.expm1(0.065 * 7 / 365), rel=1e-15, abs=0.0
    )
    assert scratch[layout.FORWARD + row] == pytest.approx(
        24000.0 * (1 + growth), rel=1e-15, abs=0.0
    )
    exact = Fraction(24000) - Fraction(24100) + Fraction(24000) * Fraction(growth)
    assert scratch[layout.FORWARD_GAP + row] == pytest.approx(float(exact), rel=1e-14, abs=0.0)
    assert scratch[layout.OK + row] == 1.0


@pytest.mark.parametrize(
    "outside",
    [
        {"TIME_TO_EXPIRY": 0.0},
        {"TIME_TO_EXPIRY": -1.0},
        {"TIME_TO_EXPIRY": TIME_MIN},
        {"TIME_TO_EXPIRY": np.nan},
        {"TIME_TO_EXPIRY": 1e5, "RATE": 0.0, "DIVIDEND_YIELD": 0.0},
        {"RATE": 20.0},
        {"RATE": np.inf},
        {"DIVIDEND_YIELD": np.nan},
        {"DIVIDEND_YIELD": -40.0},
        {"OPTION_SIGN": 0.0},
        {"OPTION_SIGN": 2.0},
    ],
)
def test_carry_stage_marks_a_row_outside_its_domain(outside: dict[str, float]) -> None:
    scratch = filled(**(ORDINARY | outside))
    carry_stage(scratch)
    assert not scratch[layout.OK : layout.OK + layout.BLOCK_ROWS].any()
