import math

import pytest

from enrich.kernels import layout
from enrich.kernels.density import density_stage


@pytest.mark.parametrize(
    ("distance", "total_vol"), [(0.0, 1e-4), (0.5, 0.2), (3.0, 1.4), (6.5, 0.01)]
)
def test_density_stage_is_the_vega_of_the_normalised_price(
    distance: float, total_vol: float
) -> None:
    scratch = layout.new_scratch()
    scratch[layout.DISTANCE] = distance
    scratch[layout.TOTAL_VOL] = total_vol
    density_stage(scratch)
    exponent = -0.5 * (distance**2 + (total_vol / 2) ** 2)
    exact = math.exp(exponent) / math.sqrt(2 * math.pi)
    assert scratch[layout.DENSITY] == pytest.approx(exact, rel=2e-15, abs=0.0)
