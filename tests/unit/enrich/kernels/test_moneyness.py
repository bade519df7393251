import math

import numpy as np
import pytest

from enrich.kernels import layout
from enrich.kernels.logarithm import twice_atanh
from enrich.kernels.moneyness import RATIO_MAX, moneyness_stage, scaled_difference

RATIOS = [1.0001, 1.2, 1.41, 1.42, 2.0, 2.82, 2.83, 4.0, 5.0, 5.64]


@pytest.mark.parametrize("ratio", RATIOS)
def test_scaled_difference_keeps_the_quotient_small(ratio: float) -> None:
    numerator, denominator, offset = scaled_difference(ratio, 1.0, ratio - 1.0)
    quotient = numerator / denominator
    assert abs(quotient) <= 0.1716
    assert offset + 2 * math.atanh(quotient) == pytest.approx(math.log(ratio), rel=4e-16, abs=0.0)
    assert offset + twice_atanh(quotient) == pytest.approx(math.log(ratio), rel=4e-16, abs=0.0)


def block(forward: float, strike: float, time_value: float) -> layout.Columns:
    scratch = layout.new_scratch()
    rows = slice(0, layout.BLOCK_ROWS)
    for column, value in (
        (layout.FORWARD, forward),
        (layout.STRIKE, strike),
        (layout.FORWARD_GAP, forward - strike),
        (layout.TIME_VALUE, time_value),
        (layout.OK, 1.0),
    ):
        scratch[column:][rows] = value
    moneyness_stage(scratch)
    return scratch


@pytest.mark.parametrize("ratio", RATIOS)
def test_moneyness_stage_is_the_same_for_both_sides(ratio: float) -> None:
    above = block(24000.0 * ratio, 24000.0, 10.0)
    below = block(24000.0, 24000.0 * ratio, 10.0)
    for column in (layout.LOG_MONEYNESS, layout.TIME_VALUE, layout.NORMALISED_GAP, layout.OK):
        assert above[column] == below[column]
    assert above[layout.LOG_MONEYNESS] == pytest.approx(math.log(ratio), rel=5e-16, abs=5e-16)
    mean = math.sqrt(ratio) * 24000.0
    assert above[layout.TIME_VALUE] == pytest.approx(10.0 / mean, rel=1e-15, abs=0.0)
    assert above[layout.GEOMETRIC_MEAN] == pytest.approx(mean, rel=1e-15, abs=0.0)
    gap = 2 * math.sinh(above[layout.LOG_MONEYNESS] / 2)
    assert above[layout.NORMALISED_GAP] == pytest.approx(gap, rel=1e-14, abs=1e-15)


def test_moneyness_stage_a_hair_from_the_money_keeps_relative_accuracy() -> None:
    strike = 24000.0
    forward = np.nextafter(strike, np.inf)
    got = block(forward, strike, 1.0)[layout.LOG_MONEYNESS]
    assert got == pytest.approx((forward - strike) / strike, rel=1e-15, abs=0.0)


@pytest.mark.parametrize(
    ("forward", "strike"),
    [
        (5.7, 1.0),
        (1.0, 5.7),
        (-1.0, -2.0),
        (np.nan, 1.0),
        (1.0, np.nan),
        (1e-120, 1e-120),
        (0.0, 1.0),
    ],
)
def test_moneyness_stage_marks_a_row_outside_its_domain(forward: float, strike: float) -> None:
    assert block(forward, strike, 0.1)[layout.OK] == 0.0


def test_moneyness_stage_keeps_a_row_at_the_edge() -> None:
    assert block(RATIO_MAX - 0.01, 1.0, 0.1)[layout.OK] == 1.0
