"""The Greeks as products of what a solved row knows."""

from __future__ import annotations

from enrich.kernels.jit import inlined

PER_DAY = 1.0 / 365.0
PER_POINT = 0.01

#: Underlying, strike, years, rate, dividend yield, option sign.
Row = tuple[float, float, float, float, float, float]
#: exp(-r T), 1/U, 1/s, 1/sqrt(T).
Reciprocals = tuple[float, float, float, float]
#: Density, N(cp d1), N(cp d2), d1, d2, total volatility s.
Solution = tuple[float, float, float, float, float, float]
#: The nine results in the order of the scratch columns.
Results = tuple[float, float, float, float, float, float, float, float, float]


@inlined
def reciprocals(
    underlying: float, rate_growth: float, total_vol: float, root_time: float
) -> Reciprocals:
    """Return discount factor, 1/U, 1/s, 1/sqrt(T) for the price of one division."""
    growth = 1.0 + rate_growth
    vol_part = total_vol * root_time
    price_part = underlying * growth
    inverse = 1.0 / (vol_part * price_part)
    inverse_price_part = inverse * vol_part
    inverse_vol_part = inverse * price_part
    return (
        inverse_price_part * underlying,
        inverse_price_part * growth,
        inverse_vol_part * root_time,
        inverse_vol_part * total_vol,
    )


@inlined
def black_greeks(
    row: Row,
    inverse: Reciprocals,
    solution: Solution,
    root_time: float,
    mean: float,
    carry_growth: float,
) -> Results:
    """Return implied volatility with its eight Greeks in published units.

    `mean` is sqrt(F K); the density times it is F n(d1) = K n(d2). Rho holds the dividend yield.

    Source: Black & Scholes (1973), Merton (1973), Black (1976); Haug, The Complete Guide to
    Option Pricing Formulas (2007), chapter 2, for vanna, vomma, charm.
    """
    underlying, strike, time_to_expiry, rate, dividend_yield, option_sign = row
    discount, inverse_underlying, inverse_total_vol, inverse_root_time = inverse
    density, first, second, d1, d2, total_vol = solution
    inverse_time = inverse_root_time * inverse_root_time
    density_leg = discount * mean * density  # U exp(-q T) n(d1)
    strike_leg = option_sign * strike * discount * second
    delta = option_sign * discount * (1.0 + carry_growth) * first
    vega = density_leg * root_time
    slope = density_leg * inverse_underlying
    d2_per_vol = d2 * (inverse_total_vol * root_time)
    decay = -0.5 * density_leg * total_vol * inverse_time
    drift = (rate - dividend_yield) * inverse_total_vol - 0.5 * d2 * inverse_time
    return (
        total_vol * inverse_root_time,
        delta,
        slope * inverse_total_vol * inverse_underlying,
        PER_DAY * (decay - rate * strike_leg + dividend_yield * underlying * delta),
        PER_POINT * vega,
        PER_POINT * time_to_expiry * strike_leg,
        -PER_POINT * slope * d2_per_vol,
        PER_POINT * PER_POINT * vega * d1 * d2_per_vol,
        PER_DAY * (dividend_yield * delta - slope * drift),
    )
