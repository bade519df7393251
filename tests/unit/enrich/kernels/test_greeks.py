import math

import numpy as np
import pytest

from enrich.kernels import layout
from enrich.kernels.greeks import (
    forward_rho_stage,
    greeks_stage,
    implied_vol_stage,
    moved_density,
    moved_mills,
    sided,
)


@pytest.mark.parametrize("exponent", [-9e-4, -1e-6, 0.0, 3e-5, 9e-4])
def test_moved_density_is_the_density_at_the_new_point(exponent: float) -> None:
    assert moved_density(0.25, exponent) == pytest.approx(0.25 * math.exp(-exponent), rel=3e-16)


@pytest.mark.parametrize("move", [-1.5e-4, 0.0, 1e-7, 1.5e-4])
@pytest.mark.parametrize("point", [-0.7, 0.0, 1.0, 6.0])
def test_moved_mills_is_the_ratio_at_the_new_point(point: float, move: float, exact_mills) -> None:
    got = moved_mills(float(exact_mills(point)), point, move)
    assert got == pytest.approx(float(exact_mills(point + move)), rel=1e-15)


@pytest.mark.parametrize(
    ("sign", "gap", "first", "second", "d1", "d2"),
    [
        (1.0, -1.0, 0.2, 0.03, -0.5, -0.9),  # call out of the money
        (-1.0, -1.0, 0.8, 0.97, -0.5, -0.9),  # put in the money
        (1.0, 1.0, 0.94, 0.7, 0.9, 0.5),  # call in the money
        (-1.0, 1.0, 0.06, 0.3, 0.9, 0.5),  # put out of the money
    ],
)
def test_sides_take_their_tails(
    sign: float, gap: float, first: float, second: float, d1: float, d2: float
) -> None:
    # Legs 3 for the forward, 2 for the strike; tails 0.1 near, 0.01 or 0.03 far; points 0.5, 0.9.
    tails = (0.1, 0.01) if gap < 0.0 else (0.1, 0.03)
    got = sided(sign, gap, (3.0, 2.0), tails, (0.5, 0.9))
    assert got == pytest.approx((first, second, d1, d2), rel=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_sides_at_the_forward_are_those_of_the_call(sign: float) -> None:
    first, second, d1, d2 = sided(sign, 0.0, (1.0, 1.0), (0.6, 0.4), (-0.25, 0.25))
    assert (d1, d2) == (0.25, -0.25)
    assert (first, second) == ((0.6, 0.4) if sign > 0.0 else (0.4, 0.6))


def solved_scratch() -> layout.Columns:
    scratch = layout.new_scratch()
    scratch[layout.TOTAL_VOL :][: layout.BLOCK_ROWS] = 0.125
    scratch[layout.STEP :][: layout.BLOCK_ROWS] = 2.0**-20
    scratch[layout.TIME_TO_EXPIRY :][: layout.BLOCK_ROWS] = 0.25
    return scratch


def test_implied_vol_stage_is_guess_with_step_over_root_time() -> None:
    scratch = solved_scratch()
    implied_vol_stage(scratch)
    got = scratch[layout.IMPLIED_VOL :][: layout.BLOCK_ROWS]
    assert np.all(got == (0.125 + 2.0**-20) / 0.5)


def test_greeks_stage_has_the_volatility_of_the_shorter_stage() -> None:
    scratch = solved_scratch()
    implied_vol_stage(scratch)
    alone = scratch[layout.IMPLIED_VOL]
    greeks_stage(scratch)
    assert scratch[layout.IMPLIED_VOL] == pytest.approx(alone, rel=5e-16)


def test_forward_rho_stage_is_the_discounting_of_the_price_when_asked_for() -> None:
    scratch = solved_scratch()
    scratch[layout.PRICE] = 80.0
    scratch[layout.RHO] = 7.0
    forward_rho_stage(scratch, forward_mode=False)
    assert scratch[layout.RHO] == 7.0
    forward_rho_stage(scratch, forward_mode=True)
    assert scratch[layout.RHO] == pytest.approx(-0.25 * 80.0 / 100.0, rel=1e-15)
