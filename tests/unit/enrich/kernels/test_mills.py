import pytest

from enrich.kernels import layout
from enrich.kernels.mills import mills_and_difference, mills_stage

POINTS = [-1.0, -0.6, -0.1, 0.0, 0.3, 1.0, 2.5, 6.0, 12.0, 30.0]
EPSILON = 2.0**-52


@pytest.mark.parametrize("near", [*POINTS, 44.0])
def test_mills_ratio_is_exact_to_a_few_roundings(near: float, exact_mills) -> None:
    ratio, _ = mills_and_difference(near, near + 0.5, 0.5)
    assert ratio == pytest.approx(float(exact_mills(near)), rel=6e-16, abs=0.0)


@pytest.mark.parametrize("centre", [0.0, 0.25, 0.75, 1.0, 2.5, 6.0, 12.0, 30.0])
@pytest.mark.parametrize("distance", [2.0**-40, 2.0**-20, 2.0**-10, 0.125, 1.0, 1.5, 2.0])
def test_mills_difference_errs_by_less_than_its_distance_in_roundings(
    centre: float, distance: float, exact_mills
) -> None:
    near = centre - distance / 2
    _, difference = mills_and_difference(near, near + distance, distance)
    exact = exact_mills(near) - exact_mills(near + distance)
    assert abs(float(exact) - difference) <= 8 * EPSILON * (distance + difference)


def test_mills_stage_writes_distance_ratio_and_difference(exact_mills) -> None:
    scratch = layout.new_scratch()
    scratch[layout.TOTAL_VOL] = 0.25
    scratch[layout.LOG_MONEYNESS] = 0.125
    mills_stage(scratch)
    assert scratch[layout.DISTANCE] == 0.5
    assert scratch[layout.INVERSE_GUESS] == 4.0
    assert scratch[layout.MILLS] == pytest.approx(float(exact_mills(0.375)), rel=6e-16, abs=0.0)
    exact = float(exact_mills(0.375) - exact_mills(0.625))
    assert scratch[layout.STEP] == pytest.approx(exact, rel=2e-15, abs=0.0)
