import math

import numpy as np
import pytest

from enrich.kernels import layout
from enrich.kernels.guess import DEPTH_MAX, bachelier_inverse, guess_stage, guess_total_vol


def bachelier_value(gap: float, total_vol: float) -> float:
    """Time value of the normal model, out of the money by `gap`."""
    h = gap / total_vol
    density = math.exp(-h * h / 2) / math.sqrt(2 * math.pi)
    return total_vol * density - gap * 0.5 * math.erfc(h / math.sqrt(2))


@pytest.mark.parametrize("h", [1e-6, 0.01, 0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.9])
def test_bachelier_inverse_finds_the_normal_volatility(h: float) -> None:
    gap = h * 0.2
    value = bachelier_value(gap, 0.2)
    above, below = bachelier_inverse(math.log1p(gap / value))
    assert (2 * value + gap) / math.sqrt(above / below) == pytest.approx(0.2, rel=5e-6, abs=0.0)


@pytest.mark.parametrize(
    ("h", "total_vol"),
    [
        (h, total_vol)
        for h in (0.0, 0.01, 0.3, 1.0, 3.0, 5.0)
        for total_vol in (1e-4, 0.01, 0.1, 0.5, 1.0, 1.49)
        if h * total_vol < 1.73  # the reach of the fit
    ],
)
def test_guess_is_within_six_millionths(h: float, total_vol: float, price_black) -> None:
    moneyness = h * total_vol
    ratio = math.exp(moneyness / 2)
    value = price_black(1.0 / ratio, ratio, total_vol, 1.0)
    guess, depth = guess_total_vol(moneyness, 2 * math.sinh(moneyness / 2), value)
    assert guess == pytest.approx(total_vol, rel=6e-6, abs=0.0)
    assert depth < DEPTH_MAX


@pytest.mark.parametrize("time_value", [0.0, -1e-9, math.nan, math.inf, 5.0])
def test_guess_stage_marks_what_it_cannot_start(time_value: float) -> None:
    scratch = layout.new_scratch()
    scratch[layout.LOG_MONEYNESS] = 0.1
    scratch[layout.NORMALISED_GAP] = 2 * math.sinh(0.05)
    scratch[layout.TIME_VALUE] = time_value
    scratch[layout.OK] = 1.0
    guess_stage(scratch)
    assert scratch[layout.OK] == 0.0


def test_guess_stage_leaves_an_earlier_mark() -> None:
    scratch = layout.new_scratch()
    scratch[layout.LOG_MONEYNESS] = 0.0
    scratch[layout.NORMALISED_GAP] = 0.0
    scratch[layout.TIME_VALUE] = np.linspace(0.01, 0.02, 1)[0]
    scratch[layout.OK] = 0.0
    guess_stage(scratch)
    assert scratch[layout.OK] == 0.0
    assert scratch[layout.TOTAL_VOL] == pytest.approx(
        0.01 * math.sqrt(2 * math.pi), rel=1e-4, abs=0.0
    )
