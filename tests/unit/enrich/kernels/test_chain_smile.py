from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.kernels.chain_smile import (
    BUTTERFLY_MIN,
    NONE,
    QUADRATIC,
    RESULTS,
    RMSE,
    SVI,
    WORST,
    butterfly,
    fit_smile,
    smile_vol,
    svi_variance,
)

WEEK = 7 / 365
GRID = np.linspace(-0.08, 0.06, 41)


def fitted(
    x: np.ndarray, vols: np.ndarray, weights: np.ndarray | None = None
) -> tuple[int, np.ndarray]:
    out = np.zeros(RESULTS)
    weights = np.ones(len(x)) if weights is None else weights.copy()
    return fit_smile(len(x), x, vols, weights, WEEK, out), out


def svi_vols(*parameters: float) -> np.ndarray:
    return np.array([math.sqrt(svi_variance(k, *parameters) / WEEK) for k in GRID])


@pytest.mark.parametrize(
    "parameters",
    [
        (5e-5, 0.012, -0.4, 0.005, 0.03),
        (1e-4, 0.008, 0.0, 0.0, 0.05),
        (2e-5, 0.02, -0.7, -0.01, 0.02),
    ],
)
def test_smile_drawn_from_svi_is_found_again(parameters) -> None:
    kind, out = fitted(GRID, svi_vols(*parameters))
    assert kind == SVI
    assert out[WORST] < 0.0005


@given(st.lists(st.floats(0.05, 0.9), min_size=5, max_size=25))
@settings(max_examples=80, deadline=None)
def test_svi_through_any_volatilities_has_no_butterfly_and_no_steep_wing(vols) -> None:
    x = np.linspace(-0.1, 0.1, len(vols))
    kind, out = fitted(x, np.array(vols))
    assert kind in {SVI, QUADRATIC}
    if kind == SVI:
        a, b, rho, m, sigma = out[:5]
        assert out[BUTTERFLY_MIN] >= -1e-9
        assert abs(rho) <= 1.0 + 1e-9
        assert b * (1.0 + abs(rho)) <= 2.0 + 1e-9
        assert min(svi_variance(k, a, b, rho, m, sigma) for k in np.linspace(-0.2, 0.2, 25)) > 0.0


def test_smile_with_arbitrage_in_it_is_drawn_without() -> None:
    bent = 0.12 + 2.0 * np.abs(GRID)
    kind, out = fitted(GRID, bent)
    assert kind == SVI
    assert min(butterfly(k, *out[:5]) for k in np.linspace(-0.15, 0.13, 25)) >= -1e-9
    assert out[RMSE] > 0.001


def test_one_wrong_quote_of_little_weight_bends_nothing() -> None:
    vols, weights = svi_vols(5e-5, 0.012, -0.4, 0.005, 0.03), np.ones(41)
    clean = vols.copy()
    vols[3], weights[3] = vols[3] + 0.2, 1e-6
    _, out = fitted(GRID, vols, weights)
    for k, vol in zip(GRID[10:30], clean[10:30], strict=True):
        assert smile_vol(SVI, k, WEEK, out) == pytest.approx(vol, abs=0.0005)


def test_fit_is_the_same_bits_every_time() -> None:
    vols = svi_vols(5e-5, 0.012, -0.4, 0.005, 0.03) + 0.003 * np.sin(50.0 * GRID)
    assert fitted(GRID, vols)[1].tobytes() == fitted(GRID, vols)[1].tobytes()


def test_three_volatilities_give_the_quadratic_through_them() -> None:
    x = np.array([-0.02, 0.0, 0.03])
    kind, out = fitted(x, 0.12 - 0.3 * x + 4.0 * x * x)
    assert kind == QUADRATIC
    assert out[:3] == pytest.approx([0.12, -0.3, 4.0])
    assert math.isnan(out[BUTTERFLY_MIN])


@pytest.mark.parametrize("points", [0, 1, 2])
def test_fewer_volatilities_give_no_smile(points: int) -> None:
    kind, out = fitted(GRID[:points], np.full(points, 0.1))
    assert kind == NONE
    assert np.isnan(out).all()
    assert math.isnan(smile_vol(kind, 0.0, WEEK, out))


def test_expired_chain_has_no_smile() -> None:
    assert fit_smile(5, GRID[:5], np.full(5, 0.1), np.ones(5), 0.0, np.zeros(RESULTS)) == NONE
