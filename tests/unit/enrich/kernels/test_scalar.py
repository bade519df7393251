import math

import numpy as np
import pytest

from enrich.kernels import layout, status
from enrich.kernels.scalar import finite, input_status, solve_price, solve_row, value_status

ROW = (24000.0, 24100.0, 0.02, 0.065, 0.012, 1.0)
ROW_NAMES = ("underlying", "strike", "years", "rate", "dividend_yield", "sign")


def row_with(**changes: float) -> tuple[float, ...]:
    return tuple(changes.get(name, value) for name, value in zip(ROW_NAMES, ROW, strict=True))


def test_ordinary_input_is_fine() -> None:
    assert input_status(100.0, ROW) == status.OK


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name in ROW_NAMES for value in (math.nan, math.inf, -math.inf)),
        {"underlying": 0.0},
        {"underlying": -1.0},
        {"strike": 0.0},
        {"strike": -24000.0},
        {"sign": 0.0},
        {"sign": 0.5},
        {"years": 1e5},
        {"rate": 1e6},
        {"dividend_yield": -1e6},
        {"underlying": 1e200},
        {"strike": 1e-200},
    ],
)
def test_impossible_input_is_bad(changes: dict[str, float]) -> None:
    assert input_status(100.0, row_with(**changes)) == status.BAD_INPUT


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
def test_price_that_is_no_number_is_bad_input(price: float) -> None:
    assert input_status(price, ROW) == status.BAD_INPUT


@pytest.mark.parametrize("price", [0.0, -0.0, -5.0])
def test_price_not_above_zero_is_none(price: float) -> None:
    assert input_status(price, ROW) == status.NO_PRICE


@pytest.mark.parametrize("years", [0.0, -1e-9, -1.0])
def test_time_run_out_comes_before_a_missing_price(years: float) -> None:
    assert input_status(0.0, row_with(years=years)) == status.EXPIRED


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (-2e-12, status.BELOW_INTRINSIC),
        (-1e-12, status.AT_INTRINSIC),
        (0.0, status.AT_INTRINSIC),
        (1e-12, status.AT_INTRINSIC),
        (2e-12, status.OK),
        (9.99, status.OK),
        (10.0, status.ABOVE_MAX),
        (1e9, status.ABOVE_MAX),
    ],
)
def test_value_status_compares_with_rounding_and_the_largest(value: float, code: int) -> None:
    assert value_status(value, 1e-12, 10.0) == code


def test_results_with_a_hole_are_not_finite() -> None:
    assert finite((1.0,) * 9)
    assert not finite((1.0,) * 8 + (math.nan,))
    assert not finite((1.0,) * 8 + (-math.inf,))


@pytest.mark.parametrize(
    ("underlying", "strike", "years", "vol", "sign"),
    [
        (100.0, 100.0, 1.0, 2.5, 1.0),  # total volatility beyond the stages
        (100.0, 100.0, 1.0, 2.5, -1.0),
        (100.0, 700.0, 2.0, 0.9, 1.0),  # strike beyond the stages
        (100.0, 700.0, 2.0, 0.9, -1.0),
        (700.0, 100.0, 2.0, 0.9, 1.0),
        (700.0, 100.0, 2.0, 0.9, -1.0),
        (100.0, 100.0, 20.0, 0.3, 1.0),  # discounting beyond the stages
        (100.0, 100.0, 20.0, 0.3, -1.0),
        (100.0, 130.0, 0.01, 0.25, 1.0),  # far out for its volatility
        (130.0, 100.0, 0.01, 0.25, -1.0),
        (100.0, 100.0, 1.0, 8.0, 1.0),  # worth nearly all there is
        (100.0, 100.0, 1.0, 8.0, -1.0),
    ],
)
def test_row_outside_the_stages_is_solved_exactly(
    underlying: float, strike: float, years: float, vol: float, sign: float, price_black
) -> None:
    rate = 0.06
    forward = underlying * math.exp(rate * years)
    price = math.exp(-rate * years) * price_black(forward, strike, vol * math.sqrt(years), sign)
    results, code = solve_price(price, (underlying, strike, years, rate, 0.0, sign))
    assert code == status.OK
    assert results[0] == pytest.approx(vol, rel=1e-9)
    reach = math.log(forward / strike) / (vol * math.sqrt(years)) + 0.5 * vol * math.sqrt(years)
    delta = sign * 0.5 * math.erfc(-sign * reach / math.sqrt(2))
    assert results[1] == pytest.approx(delta, rel=1e-7)


def scratch_with(price: float, row: tuple[float, ...]) -> layout.Columns:
    scratch = layout.new_scratch()
    for column, value in zip(
        (
            layout.PRICE,
            layout.UNDERLYING,
            layout.STRIKE,
            layout.TIME_TO_EXPIRY,
            layout.RATE,
            layout.DIVIDEND_YIELD,
            layout.OPTION_SIGN,
        ),
        (price, *row),
        strict=True,
    ):
        scratch[column + 3] = value
    return scratch


def results_at(scratch: layout.Columns, row: int) -> layout.Columns:
    return scratch[layout.IMPLIED_VOL + row :: layout.BLOCK_ROWS][: layout.RESULTS]


def test_solve_row_writes_only_its_own_row() -> None:
    scratch = scratch_with(150.0, ROW)
    before = scratch.copy()
    assert solve_row(scratch, 3, forward_mode=False) == status.OK
    changed = np.flatnonzero(scratch != before)
    assert set(changed) <= {layout.IMPLIED_VOL + 3 + 64 * column for column in range(9)}
    assert np.all(np.isfinite(results_at(scratch, 3)))


def test_solve_row_that_fails_leaves_no_number() -> None:
    scratch = scratch_with(-1.0, ROW)
    assert solve_row(scratch, 3, forward_mode=True) == status.NO_PRICE
    assert np.all(np.isnan(results_at(scratch, 3)))


def test_solve_row_on_a_forward_has_the_rho_of_discounting() -> None:
    scratch = scratch_with(150.0, ROW)
    solve_row(scratch, 3, forward_mode=True)
    assert scratch[layout.RHO + 3] == pytest.approx(-0.02 * 150.0 / 100.0, rel=1e-15)
