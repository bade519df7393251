import math

import pytest

from enrich.kernels.normal import mills_difference, mills_ratio, upper_tail

POINTS = [-8.0, -3.0, -1.0001, -1.0, -0.5, 0.0, 1.0, 5.0, 20.0, 37.0]


@pytest.mark.parametrize("z", [*POINTS, 44.9, 45.1, 60.0])
def test_mills_ratio_is_exact_on_either_side_of_its_seams(z: float, exact_mills) -> None:
    assert mills_ratio(z) == pytest.approx(float(exact_mills(z)), rel=2e-14, abs=0.0)


def test_mills_ratio_beyond_the_doubles_is_infinite() -> None:
    assert mills_ratio(-40.0) == math.inf
    assert 0.0 < mills_ratio(1e200) < 1e-199


@pytest.mark.parametrize(("near", "far"), [(-3.0, -2.5), (-1.5, 0.5), (0.25, 0.5), (44.0, 46.0)])
def test_mills_difference_is_that_of_two_ratios(near: float, far: float, exact_mills) -> None:
    exact = float(exact_mills(near) - exact_mills(far))
    assert mills_difference(near, far, far - near) == pytest.approx(exact, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("z", POINTS)
def test_upper_tail_is_that_of_the_error_function(z: float) -> None:
    assert upper_tail(z) == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)), rel=1e-13, abs=0.0)
