import math

import numpy as np
import pytest

from enrich.kernels.formulas import black_greeks, reciprocals
from enrich.kernels.jit import compiled

UNDERLYING, STRIKE, YEARS, RATE, YIELD = 24000.0, 24300.0, 0.05, 0.065, 0.012
VOL = 0.14


@compiled
def greeks_of(
    underlying: float,
    years: float,
    rate: float,
    vol: float,
    option_sign: float,
    first: float,
    second: float,
) -> tuple[float, ...]:
    carry_growth = np.expm1((rate - YIELD) * years)
    rate_growth = np.expm1(rate * years)
    forward = underlying * (1.0 + carry_growth)
    root_time = np.sqrt(years)
    total_vol = vol * root_time
    moneyness = np.log(forward / STRIKE)
    d1 = moneyness / total_vol + total_vol / 2
    density = np.exp(-0.5 * ((moneyness / total_vol) ** 2 + total_vol**2 / 4)) / np.sqrt(2 * np.pi)
    return black_greeks(
        (underlying, STRIKE, years, rate, YIELD, option_sign),
        reciprocals(underlying, rate_growth, total_vol, root_time),
        (density, first, second, d1, d1 - total_vol, total_vol),
        root_time,
        np.sqrt(forward * STRIKE),
        carry_growth,
    )


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def price(underlying: float, years: float, rate: float, vol: float, sign: float) -> float:
    forward = underlying * math.exp((rate - YIELD) * years)
    total_vol = vol * math.sqrt(years)
    d1 = math.log(forward / STRIKE) / total_vol + total_vol / 2
    value = forward * normal(sign * d1) - STRIKE * normal(sign * (d1 - total_vol))
    return sign * math.exp(-rate * years) * value


def greeks(
    sign: float,
    *,
    underlying: float = UNDERLYING,
    years: float = YEARS,
    rate: float = RATE,
    vol: float = VOL,
) -> dict[str, float]:
    forward = underlying * math.exp((rate - YIELD) * years)
    total_vol = vol * math.sqrt(years)
    d1 = math.log(forward / STRIKE) / total_vol + total_vol / 2
    results = greeks_of(
        underlying, years, rate, vol, sign, normal(sign * d1), normal(sign * (d1 - total_vol))
    )
    names = ("implied_vol", "delta", "gamma", "theta", "vega", "rho", "vanna", "vomma", "charm")
    return dict(zip(names, results, strict=True))


def slope(of, at: float, step: float) -> float:
    """Central difference of fourth order."""
    near = of(at + step) - of(at - step)
    far = of(at + 2 * step) - of(at - 2 * step)
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_greeks_are_the_slopes_of_the_price(sign: float) -> None:
    got = greeks(sign)
    delta = slope(lambda u: price(u, YEARS, RATE, VOL, sign), UNDERLYING, 20.0)
    theta = -slope(lambda t: price(UNDERLYING, t, RATE, VOL, sign), YEARS, 1e-3)
    vega = slope(lambda v: price(UNDERLYING, YEARS, RATE, v, sign), VOL, 1e-3)
    rho = slope(lambda r: price(UNDERLYING, YEARS, r, VOL, sign), RATE, 1e-3)
    assert got["implied_vol"] == pytest.approx(VOL, rel=1e-15)
    assert got["delta"] == pytest.approx(delta, rel=1e-7)
    assert got["theta"] == pytest.approx(theta / 365, rel=1e-6)
    assert got["vega"] == pytest.approx(vega / 100, rel=1e-7)
    assert got["rho"] == pytest.approx(rho / 100, rel=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_second_greeks_are_the_slopes_of_the_first(sign: float) -> None:
    got = greeks(sign)
    gamma = slope(lambda u: greeks(sign, underlying=u)["delta"], UNDERLYING, 20.0)
    vanna = slope(lambda v: greeks(sign, vol=v)["delta"], VOL, 1e-3)
    vomma = slope(lambda v: greeks(sign, vol=v)["vega"], VOL, 1e-3)
    charm = -slope(lambda t: greeks(sign, years=t)["delta"], YEARS, 1e-3)
    assert got["gamma"] == pytest.approx(gamma, rel=1e-6)
    assert got["vanna"] == pytest.approx(vanna / 100, rel=1e-6)
    assert got["vomma"] == pytest.approx(vomma / 100, rel=1e-6)
    assert got["charm"] == pytest.approx(charm / 365, rel=1e-6)


def test_calls_less_puts_are_the_forward_contract() -> None:
    call, put = greeks(1.0), greeks(-1.0)
    discount = math.exp(-RATE * YEARS)
    assert call["delta"] - put["delta"] == pytest.approx(math.exp(-YIELD * YEARS), rel=1e-13)
    assert call["rho"] - put["rho"] == pytest.approx(STRIKE * YEARS * discount / 100, rel=1e-13)
    for name in ("gamma", "vega", "vanna", "vomma"):
        assert call[name] == put[name]


def test_reciprocals_are_quotients_of_one_division() -> None:
    discount, over_underlying, over_vol, over_root = reciprocals(24000.0, 0.25, 0.02, 0.5)
    assert discount == pytest.approx(0.8, rel=1e-15)
    assert over_underlying == pytest.approx(1 / 24000.0, rel=1e-15)
    assert over_vol == pytest.approx(50.0, rel=1e-15)
    assert over_root == pytest.approx(2.0, rel=1e-15)
