"""The options that everybody is asked for: an index's chain, a set of hard rows with their truth."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

NAMES = ("price", "S", "K", "T", "r", "q", "sign")
ROWS = 10_000
SPOT, RATE, DIVIDEND = 24_000.0, 0.065, 0.012
TICK = 0.05
DAYS = (0.5, 2.0, 7.0, 30.0, 90.0, 365.0)
_VECTORS = Path(__file__).resolve().parents[2] / "golden" / "greeks_vectors.csv"

Options = dict[str, np.ndarray]


def chain() -> Options:
    """Return an index's chain at prices to full precision, with the volatility they were made of."""
    dice = np.random.default_rng(20261122)
    rows: list[tuple[float, ...]] = []
    while len(rows) < ROWS:
        strike = float(dice.integers(408, 553) * 50)
        years = float(dice.choice(DAYS)) / 365.0
        vol = math.exp(dice.uniform(math.log(0.08), math.log(0.80)))
        sign = 1.0 if dice.random() < 0.5 else -1.0
        price, time_value = _price(strike, years, vol, sign)
        if time_value >= TICK:
            rows.append((price, SPOT, strike, years, RATE, DIVIDEND, sign, vol))
    columns = np.array(rows).T.copy()
    return dict(zip((*NAMES, "made_of"), columns, strict=True))


def rounded(options: Options) -> Options:
    """Return the same options at prices that an exchange would show."""
    return {**options, "price": np.round(np.round(options["price"] / TICK) * TICK, 2)}


def solvable() -> Options:
    """Return the golden vectors, with `vol` (50 digits, rounded), `cond`, `region`."""
    with _VECTORS.open() as lines:
        rows = list(csv.DictReader(lines))
    named = {name: np.array([float(row[name]) for row in rows]) for name in NAMES[:-1]}
    named["sign"] = np.array([1.0 if row["type"] == "c" else -1.0 for row in rows])
    named["vol"] = np.array([float(row["sigma"]) for row in rows])
    named["cond"] = np.array([float(row["cond"]) for row in rows])
    named["region"] = np.array([row["region"] for row in rows])
    return named


def unsolvable() -> dict[str, Options]:
    """Return rows that have no volatility, by what is wrong with them; any number is a failure."""
    years, ordinary = 7.0 / 365.0, (150.0, SPOT, 24_100.0, 7.0 / 365.0, RATE, DIVIDEND, 1.0)
    spots = [24_500.0 + 250.0 * n for n in range(12)]
    wrong = {
        "below intrinsic": [
            ((s - 24_000.0) * part, s, 24_000.0, years, 0.0, 0.0, 1.0)
            for s in spots for part in (0.5, 0.9, 0.999)
        ],
        "at intrinsic": [(s - 24_000.0, s, 24_000.0, years, 0.0, 0.0, 1.0) for s in spots],
        "above the bound": [
            (s * (1.0 + 0.01 * n), s, 24_000.0, years, 0.0, 0.0, 1.0) for n, s in enumerate(spots)
        ],
        "no time left": _replaced(ordinary, 3, [0.0, 0.0, -1e-9, -1e-6, -1e-3, -0.01] * 2),
        "no price": _replaced(ordinary, 0, [0.0, 0.0, 0.0, -0.05, -1.0, -150.0]),
        "price is no number": _replaced(ordinary, 0, [math.nan, math.nan, math.inf, math.inf]),
        "underlying is none": _replaced(ordinary, 1, [0.0, -1.0, math.nan, math.inf]),
        "strike is none": _replaced(ordinary, 2, [0.0, -1.0, math.nan, math.inf]),
    }  # fmt: skip
    return {
        name: dict(zip(NAMES, np.array(rows, float).T.copy(), strict=True))
        for name, rows in wrong.items()
    }


def _replaced(row: tuple[float, ...], place: int, values: list[float]) -> list[tuple[float, ...]]:
    return [(*row[:place], value, *row[place + 1 :]) for value in values]


def _price(strike: float, years: float, vol: float, sign: float) -> tuple[float, float]:
    forward = SPOT * math.exp((RATE - DIVIDEND) * years)
    total = vol * math.sqrt(years)
    d1 = math.log(forward / strike) / total + total / 2
    root = math.sqrt(2.0)
    undiscounted = (
        0.5
        * sign
        * (forward * math.erfc(-sign * d1 / root) - strike * math.erfc(-sign * (d1 - total) / root))
    )
    discount = math.exp(-RATE * years)
    return discount * undiscounted, discount * (undiscounted - max(0.0, sign * (forward - strike)))
