import math

import numpy as np
import pytest

from enrich.kernels.exponential import exp_bounded, expm1_small


def test_exp_bounded_is_within_two_ulp_over_its_range() -> None:
    exponents = np.linspace(-699.0, 699.0, 4001)
    got = np.array([exp_bounded(x) for x in exponents])
    exact = np.array([math.exp(x) for x in exponents])
    assert np.max(np.abs(got - exact) / np.spacing(exact)) <= 2.0


def test_exp_bounded_of_zero_is_one() -> None:
    assert exp_bounded(0.0) == 1.0


def test_expm1_small_is_within_two_ulp_over_its_range() -> None:
    exponents = np.linspace(-0.36, 0.36, 4001)
    got = np.array([expm1_small(x) for x in exponents])
    exact = np.array([math.expm1(x) for x in exponents])
    assert np.max(np.abs(got - exact) / np.spacing(np.abs(exact))) <= 2.0


@pytest.mark.parametrize("exponent", [0.0, 1e-300, -1e-18, 3e-12])
def test_expm1_small_near_zero_keeps_relative_accuracy(exponent: float) -> None:
    assert expm1_small(exponent) == pytest.approx(math.expm1(exponent), rel=2.3e-16, abs=0.0)
