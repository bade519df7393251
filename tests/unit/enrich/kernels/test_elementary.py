import math

import pytest

from enrich.kernels import elementary


@pytest.mark.parametrize("x", [-750.0, -1.0, 0.0, 1e-18, 0.3, 709.0])
def test_exponentials_are_those_of_the_c_library(x: float) -> None:
    assert elementary.exp(x) == math.exp(x)
    assert elementary.expm1(x) == math.expm1(x)


@pytest.mark.parametrize("x", [5e-324, 0.5, 1.0, 3.0, 1e300, math.inf])
def test_logarithms_are_those_of_the_c_library(x: float) -> None:
    assert elementary.log(x) == math.log(x)
    assert elementary.log1p(x) == math.log1p(x)


def test_exponentials_beyond_the_doubles_are_infinite() -> None:
    assert elementary.exp(710.0) == elementary.expm1(1e9) == math.inf


def test_logarithms_outside_their_domain_are_not_numbers() -> None:
    assert elementary.log(0.0) == -math.inf
    assert math.isnan(elementary.log(-1.0))
    assert math.isnan(elementary.log1p(-1.0))


@pytest.mark.parametrize(
    "function", [elementary.exp, elementary.expm1, elementary.log, elementary.log1p]
)
def test_what_is_no_number_stays_none(function) -> None:
    assert math.isnan(function(math.nan))
