import math

import numpy as np
import pytest

from enrich.kernels.guess import DEPTH_MAX
from enrich.kernels.logarithm import log_rough, twice_atanh


def test_log_rough_errs_by_less_than_two_millionths() -> None:
    ratios = np.exp(np.linspace(0.0, 40.0, 4001))
    errors = [abs(log_rough(ratio) - math.log(ratio)) for ratio in ratios]
    assert max(errors) < 2e-6


@pytest.mark.parametrize("ratio", [math.inf, math.nan, -1.0, -math.inf, -1e-300])
def test_log_rough_of_what_is_no_ratio_lies_outside_the_fit(ratio: float) -> None:
    assert not log_rough(ratio) < DEPTH_MAX


def test_twice_atanh_is_within_two_ulp_over_its_range() -> None:
    points = np.concatenate([np.linspace(1e-4, 0.1716, 3001), np.logspace(-300, -4, 301)])
    got = np.array([twice_atanh(z) for z in points])
    exact = np.array([2.0 * math.atanh(z) for z in points])
    assert np.max(np.abs(got - exact) / np.spacing(exact)) <= 2.0


def test_twice_atanh_of_zero_is_zero() -> None:
    assert twice_atanh(0.0) == 0.0
