import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.kernels import status
from enrich.kernels.columns import implied_vol, implied_vol_and_greeks

# Relative errors of implied volatility per region, three times what is attained.
REGION_GATES = {
    "index_future_black76": 5e-15,
    "stock": 5e-15,
    "zero_dte": 5e-15,
    "atm_forward_exact": 5e-15,
    "deep_otm_tiny": 5e-15,
    "low_vol_otm": 2e-14,
    "high_vol_otm": 2e-14,
    "zero_neg_rate": 3e-14,
    "itm_small_time_value": 1e-13,
    "long_dated": 1e-13,
    "index_spot": 3e-13,
}
#: A NIFTY call a week from expiry.
ORDINARY = (150.0, 24000.0, 24100.0, 7 / 365, 0.065, 0.012, 1.0)
MINUTE = 1 / 525_600


@pytest.fixture(scope="module")
def solved(vectors, solve):
    results, codes = solve(*vectors.inputs)
    assert not codes.any()
    return results


def one(solve, *row: float) -> tuple[np.ndarray, int]:
    results, codes = solve(*([value] for value in row))
    return results[:, 0], int(codes[0])


# ------------------------------------------------------------------------------ exact vectors


def test_implied_vol_is_exact_to_the_conditioning_of_its_price(vectors, solved) -> None:
    error = np.abs(solved[0] / vectors["sigma"] - 1)
    assert np.all(error <= np.maximum(1e-14, 4 * vectors["cond"]))


@pytest.mark.parametrize("region", REGION_GATES)
def test_implied_vol_is_within_the_gate_of_its_region(region: str, vectors, solved) -> None:
    rows = vectors.region == region
    error = np.abs(solved[0][rows] / vectors["sigma"][rows] - 1)
    assert rows.sum() >= 80
    assert error.max() <= REGION_GATES[region]


def test_implied_vol_of_index_options_is_nearly_always_exact(vectors, solved) -> None:
    rows = vectors.region == "index_spot"
    error = np.abs(solved[0][rows] / vectors["sigma"][rows] - 1)
    assert np.quantile(error, 0.99) <= 5e-15


def greek_scales(vectors) -> dict[str, np.ndarray]:
    """What an error is measured by: where a Greek crosses zero, its leading term."""
    vega = vectors["vega"] * 100
    d1, d2, sigma = vectors["d1"], vectors["d2"], vectors["sigma"]
    decay = vega * sigma / (2 * vectors["T"]) / 365
    vanna = np.abs(vega * d2 / (vectors["S"] * sigma * np.sqrt(vectors["T"]))) / 100
    vomma = np.abs(vega * d1 * d2 / sigma) / 1e4
    scales = {name: np.abs(vectors[name]) for name in GREEKS}
    for name, leading in (("theta", decay), ("vanna", vanna), ("vomma", vomma)):
        scales[name] = np.maximum(scales[name], leading)
    return scales


GREEKS = ("delta", "gamma", "theta", "vega", "rho", "vanna", "vomma", "charm")


@pytest.mark.parametrize("name", GREEKS)
def test_greek_from_a_price_is_within_its_gate(name: str, vectors, solved) -> None:
    amplified = np.maximum(5e-14, 40 * vectors["cond"] * (1 + vectors["d1"] ** 2))
    gate = {
        "delta": 5e-14,
        "gamma": amplified,
        "theta": 5e-13,
        "vega": amplified,
        "rho": 5e-14,
        "vanna": 4 * amplified,
        "vomma": 4 * amplified,
        "charm": 2e-12,
    }[name]
    error = np.abs(solved[1 + GREEKS.index(name)] - vectors[name])
    assert np.all(error <= gate * greek_scales(vectors)[name])


def test_implied_vol_alone_is_that_of_the_whole(vectors, solved) -> None:
    count = len(vectors.option_sign)
    alone, codes = np.empty(count), np.empty(count, dtype=np.uint8)
    implied_vol(*vectors.inputs, alone, codes)
    assert not codes.any()
    assert np.max(np.abs(alone / solved[0] - 1)) <= 5e-16


# ------------------------------------------------------------------------------ properties


def test_row_alone_is_the_row_in_its_batch_to_the_bit(vectors, solve, solved) -> None:
    for row in range(0, len(vectors.option_sign), 97):
        alone, _ = solve(*(column[row : row + 1] for column in vectors.inputs))
        assert np.array_equal(alone[:, 0], solved[:, row])


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 127, 128, 129])
def test_batch_of_any_length_gives_the_same_bits(count: int, vectors, solve, solved) -> None:
    results, codes = solve(*(column[:count] for column in vectors.inputs))
    assert np.array_equal(results, solved[:, :count])
    assert not codes.any()


def test_order_of_rows_does_not_matter_to_the_bit(vectors, solve, solved) -> None:
    order = np.random.default_rng(7).permutation(len(vectors.option_sign))
    results, _ = solve(*(column[order] for column in vectors.inputs))
    assert np.array_equal(results, solved[:, order])


@pytest.mark.parametrize("column", range(7))
def test_rows_without_numbers_leave_the_others_as_they_are(
    column: int, vectors, solve, solved
) -> None:
    inputs = vectors.inputs
    inputs[column][::3] = np.nan
    results, codes = solve(*inputs)
    hit = np.zeros(len(codes), dtype=bool)
    hit[::3] = True
    assert np.all(codes[hit] == status.BAD_INPUT)
    assert np.all(np.isnan(results[:, hit]))
    assert np.array_equal(results[:, ~hit], solved[:, ~hit])
    assert not codes[~hit].any()


def test_inputs_may_be_strided_or_read_only_or_narrow(vectors, solved) -> None:
    wide = np.array(vectors.inputs).T.copy()  # columns of it are strided
    wide.flags.writeable = False
    columns = [wide[:, column] for column in range(6)]
    results = np.empty((9, len(wide)))
    codes = np.empty(len(wide), dtype=np.uint8)
    implied_vol_and_greeks(*columns, wide[:, 6].astype(np.int8), results, codes)
    assert np.array_equal(results, solved)
    assert not codes.any()


def test_six_results_are_the_first_of_nine(vectors, solved) -> None:
    results = np.empty((6, len(vectors.option_sign)))
    implied_vol_and_greeks(*vectors.inputs, results, np.empty(results.shape[1], dtype=np.uint8))
    assert np.array_equal(results, solved[:6])


def test_twins_by_parity_have_the_same_volatility(vectors, solve, solved) -> None:
    price, underlying, strike, years, rate, dividend_yield, sign = vectors.inputs
    parity = underlying * np.exp(-dividend_yield * years) - strike * np.exp(-rate * years)
    twin = price - sign * parity
    # The twin's price is formed in doubles, hence off by some roundings of the larger terms.
    formed = 4e-16 * (underlying + strike)
    noise = 8 * formed / (100 * vectors["vega"] * vectors["sigma"])
    rows = (twin > 0) & (noise < 1e-3)
    results, codes = solve(
        twin[rows],
        *(column[rows] for column in (underlying, strike, years, rate, dividend_yield)),
        -sign[rows],
    )
    assert rows.sum() > 500
    assert not codes.any()
    assert np.all(np.abs(results[0] / solved[0][rows] - 1) <= 1e-13 + noise[rows])


def test_implied_vol_rises_with_the_price_to_rounding(solve) -> None:
    prices = np.empty(4000)
    prices[0] = ORDINARY[0]
    for row in range(1, len(prices)):
        prices[row] = np.nextafter(prices[row - 1], np.inf)
    results, _ = solve(prices, *(np.full(len(prices), value) for value in ORDINARY[1:]))
    assert np.min(np.diff(results[0]) / results[0][1:]) >= -4e-15


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    reach=st.floats(-5.0, 5.0),
    vol=st.floats(0.01, 3.0),
    days=st.floats(0.01, 700.0),
    rate=st.floats(-0.02, 0.12),
    call=st.booleans(),
)
def test_price_made_with_a_volatility_gives_it_back(
    reach, vol, days, rate, call, solve, price_black
) -> None:
    years = days / 365
    total_vol = vol * math.sqrt(years)
    strike = 24000.0
    forward = strike * math.exp(reach * min(total_vol, 2.0))
    sign = 1.0 if call else -1.0
    price = math.exp(-rate * years) * price_black(forward, strike, total_vol, sign)
    results, code = one(solve, price, forward, strike, years, rate, rate, sign)
    d1 = math.log(forward / strike) / total_vol + total_vol / 2
    vega = forward * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    # Textbook prices carry a few roundings of the forward; where vega is nil they say nothing.
    noise = 1e-14 * (forward + strike) * (1 + abs(d1)) / (vega * total_vol)
    if noise < 1e-3:
        assert code == status.OK
        assert results[0] == pytest.approx(vol, rel=1e-12 + 2 * noise)


# ------------------------------------------------------------------------------ edges


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("ratio", "total_vol", "years", "rate"),
    [
        (1.0, 0.1, 1e-9, 0.06),  # 31 milliseconds
        (1.0, 1e-4, MINUTE, 0.06),
        (5.6, 1.2, 1.0, 0.0),  # the seam in moneyness
        (5.7, 1.2, 1.0, 0.0),
        (1 / 5.6, 1.2, 1.0, 0.0),
        (1 / 5.7, 1.2, 1.0, 0.0),
        (1.1, 1.49, 1.0, 0.0),  # the seam in total volatility
        (1.1, 1.51, 1.0, 0.0),
        (0.9, 0.4, 2.0, 0.149),  # the seam in discounting
        (0.9, 0.4, 2.0, 0.151),
        (0.9, 0.4, 2.0, -0.21),
        (0.9, 0.4, 2.0, -0.23),
    ],
)
def test_either_side_of_a_seam_gives_the_same_volatility(
    ratio: float, total_vol: float, years: float, rate: float, sign: float, solve, price_black
) -> None:
    forward, strike = 1000.0 * ratio, 1000.0
    price = math.exp(-rate * years) * price_black(forward, strike, total_vol, sign)
    results, code = one(solve, price, forward, strike, years, rate, rate, sign)
    assert code == status.OK
    assert results[0] == pytest.approx(total_vol / math.sqrt(years), rel=2e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_delta_exactly_at_the_forward_belongs_to_its_side(sign: float, solve, price_black) -> None:
    price = price_black(100.0, 100.0, 0.2, sign)
    results, code = one(solve, price, 100.0, 100.0, 1.0, 0.0, 0.0, sign)
    assert code == status.OK
    assert results[1] == pytest.approx(
        sign * 0.5 * math.erfc(-sign * 0.1 / math.sqrt(2)), rel=1e-14
    )


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [
        (0, 0.0, status.NO_PRICE),
        (0, -1.0, status.NO_PRICE),
        (0, math.nan, status.BAD_INPUT),
        (0, math.inf, status.BAD_INPUT),
        (0, 24000.0, status.ABOVE_MAX),
        (0, 30000.0, status.ABOVE_MAX),
        (1, 0.0, status.BAD_INPUT),
        (1, 25000.0, status.BELOW_INTRINSIC),
        (2, -24000.0, status.BAD_INPUT),
        (3, 0.0, status.EXPIRED),
        (3, -0.1, status.EXPIRED),
        (6, 0.0, status.BAD_INPUT),
    ],
)
def test_row_that_cannot_be_solved_says_why(position: int, value: float, code: int, solve) -> None:
    row = list(ORDINARY)
    row[position] = value
    results, got = one(solve, *row)
    assert got == code
    assert np.all(np.isnan(results))


def test_price_of_exactly_intrinsic_value_has_no_volatility(solve) -> None:
    results, code = one(solve, 500.0, 24500.0, 24000.0, 0.02, 0.0, 0.0, 1.0)
    assert code == status.AT_INTRINSIC
    assert np.all(np.isnan(results))


HOSTILE = [
    0.0,
    -0.0,
    math.nan,
    math.inf,
    -math.inf,
    5e-324,
    1e-300,
    -1e-300,
    1e300,
    -1e300,
    1e-160,
    1e160,
]
HOSTILE += [1e-30, 1e30, 1.0, -1.0, 2.0, 0.5, 24000.0]


def test_garbage_never_gives_a_number_without_ok_or_ok_without_numbers(solve) -> None:
    dice = np.random.default_rng(11)
    count = 100_000
    rows = np.tile(ORDINARY, (count, 1)).T
    spoilt = dice.random(rows.shape) < 0.3
    rows[spoilt] = dice.choice(HOSTILE, int(spoilt.sum()))
    scaled = dice.random(rows.shape) < 0.2
    with np.errstate(all="ignore"):
        rows[scaled] *= 10.0 ** dice.uniform(-20, 20, int(scaled.sum()))
    results, codes = solve(*rows)
    solved = codes == status.OK
    known = {value for name, value in vars(status).items() if name.isupper()}
    assert set(np.unique(codes)) <= known
    assert solved.sum() > 1000
    assert np.all(np.isfinite(results[:, solved]))
    assert np.all(results[0, solved] > 0.0)
    assert np.all(np.isnan(results[:, ~solved]))
