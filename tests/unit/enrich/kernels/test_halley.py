import math

import pytest

from enrich.kernels import layout
from enrich.kernels.density import density_stage
from enrich.kernels.halley import halley_stage
from enrich.kernels.mills import mills_stage


def stepped(total_vol: float, moneyness: float, guess: float, price_black) -> layout.Columns:
    scratch = layout.new_scratch()
    ratio = math.exp(moneyness / 2)
    scratch[layout.TIME_VALUE] = price_black(1 / ratio, ratio, total_vol, 1.0)
    scratch[layout.LOG_MONEYNESS] = moneyness
    scratch[layout.TOTAL_VOL] = guess
    scratch[layout.OK] = 1.0
    mills_stage(scratch)
    density_stage(scratch)
    halley_stage(scratch)
    return scratch


@pytest.mark.parametrize("miss", [-8e-6, -3e-6, 0.0, 1e-6, 8e-6])
@pytest.mark.parametrize(
    ("total_vol", "moneyness"), [(0.2, 0.0), (0.05, 0.1), (1.3, 0.9), (0.3, 0.6)]
)
def test_halley_step_from_a_guess_lands_on_the_solution(
    total_vol: float, moneyness: float, miss: float, price_black
) -> None:
    scratch = stepped(total_vol, moneyness, total_vol * (1 + miss), price_black)
    landed = scratch[layout.TOTAL_VOL] + scratch[layout.STEP]
    assert scratch[layout.OK] == 1.0
    assert landed == pytest.approx(
        total_vol, rel=3e-14, abs=0.0
    )  # the textbook price errs this much


@pytest.mark.parametrize("miss", [-0.5, -1e-3, 4e-5, 1.0])
def test_halley_step_from_a_bad_guess_marks_the_row(miss: float, price_black) -> None:
    assert stepped(0.2, 0.1, 0.2 * (1 + miss), price_black)[layout.OK] == 0.0


def test_halley_step_of_what_is_no_number_marks_the_row(price_black) -> None:
    assert stepped(0.2, 0.1, math.nan, price_black)[layout.OK] == 0.0
