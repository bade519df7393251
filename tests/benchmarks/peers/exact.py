"""Implied volatility and Greeks of a stored price in 40-digit arithmetic: what answers are held to."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np

DIGITS = 40
_HALF = Decimal("0.5")
#: Two Newton steps from a double's sixteen digits leave more than the arithmetic has.
STEPS = 3


def exact(options: dict[str, np.ndarray], guess: np.ndarray) -> np.ndarray:
    """Return volatility, delta, gamma, theta, vega, rho, shape (6, n), rounded to doubles.

    `options`: columns price, S, K, T, r, q, sign. `guess`: near the volatilities, shape (n,).
    Greeks are per unit of S, theta a day, vega and rho a percent.
    """
    names = ("price", "S", "K", "T", "r", "q", "sign")
    out = np.empty((6, len(guess)))
    with localcontext() as context:
        context.prec = DIGITS
        for row, values in enumerate(zip(*(options[name].tolist() for name in names), strict=True)):
            out[:, row] = [float(each) for each in _one(*map(Decimal, values), Decimal(guess[row]))]
    return out


def _one(price, spot, strike, years, rate, dividend, sign, vol):
    root_time = years.sqrt()
    carried = spot * _exp(-dividend * years)
    discounted = strike * _exp(-rate * years)
    log_moneyness = _ln(carried / discounted)
    for _ in range(STEPS):
        n1, n2, density = _terms(log_moneyness, vol * root_time, sign)
        worth = sign * (carried * n1 - discounted * n2)
        vol -= (worth - price) / (carried * density * root_time)
    n1, n2, density = _terms(log_moneyness, vol * root_time, sign)
    decay = carried * density * vol / (2 * root_time)
    theta = sign * (dividend * carried * n1 - rate * discounted * n2) - decay
    return (
        vol,
        sign * carried / spot * n1,
        carried / spot * density / (spot * vol * root_time),
        theta / 365,
        carried * density * root_time / 100,
        sign * years * discounted * n2 / 100,
    )


def _terms(log_moneyness, total_vol, sign):
    d1 = log_moneyness / total_vol + total_vol / 2
    d2 = d1 - total_vol
    density = (-d1 * d1 / 2).exp() / _root_two_pi()
    return _normal(sign * d1), _normal(sign * d2), density


def _normal(x):
    """N(x) = 1/2 + n(x) sum x^(2j+1) / (2j+1)!!."""
    square, term, odd = x * x, x, 1
    total = x
    floor = Decimal(10) ** -(DIGITS + 5)
    while abs(term) > floor:
        odd += 2
        term = term * square / odd
        total += term
    return _HALF + (-square / 2).exp() / _root_two_pi() * total


@cache
def _exp(value: Decimal) -> Decimal:
    return value.exp()


@cache
def _ln(value: Decimal) -> Decimal:
    return value.ln()


@cache
def _root_two_pi() -> Decimal:
    # Machin's formula.
    pi = 16 * _arctan_inverse(5) - 4 * _arctan_inverse(239)
    return (2 * pi).sqrt()


def _arctan_inverse(n: int) -> Decimal:
    total = term = Decimal(1) / n
    odd = 1
    while term + total != total:
        term = -term / (n * n)
        odd += 2
        total += term / odd
    return total
