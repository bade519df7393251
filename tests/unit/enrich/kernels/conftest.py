"""Vectors, exact references and a solver that allocates its outputs, for every kernel test."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from enrich.kernels.columns import implied_vol_and_greeks

Numbers = NDArray[np.float64]
VECTORS = Path(__file__).parents[3] / "golden" / "greeks_vectors.csv"
INPUTS = ("price", "S", "K", "T", "r", "q")


@dataclass(frozen=True)
class Vectors:
    """Options with their exact implied volatility and Greeks, computed with 50 digits."""

    columns: dict[str, Numbers]
    region: NDArray[np.str_]
    option_sign: Numbers

    def __getitem__(self, name: str) -> Numbers:
        return self.columns[name]

    @property
    def inputs(self) -> list[Numbers]:
        """The seven columns the kernels take."""
        return [*(self.columns[name].copy() for name in INPUTS), self.option_sign.copy()]


@pytest.fixture(scope="session")
def vectors() -> Vectors:
    with VECTORS.open() as lines:
        rows = list(csv.DictReader(lines))
    words = {"id", "region", "type"}
    return Vectors(
        columns={
            name: np.array([float(row[name]) for row in rows]) for name in rows[0].keys() - words
        },
        region=np.array([row["region"] for row in rows]),
        option_sign=np.array([1.0 if row["type"] == "c" else -1.0 for row in rows]),
    )


Solver = Callable[..., tuple[Numbers, NDArray[np.uint8]]]


@pytest.fixture(scope="session")
def solve() -> Solver:
    """Solve columns (or lists) and return results, shape (9, n), with the status per row."""

    def run(*inputs: object) -> tuple[Numbers, NDArray[np.uint8]]:
        columns = [np.asarray(column, dtype=np.float64) for column in inputs]
        results = np.full((9, len(columns[0])), 123.0)
        status = np.full(len(columns[0]), 99, dtype=np.uint8)
        implied_vol_and_greeks(*columns, results, status)
        return results, status

    return run


def exact_mills_ratio(z: float) -> Decimal:
    """(1 - N(z)) / n(z) = sqrt(pi/2) exp(z^2/2) - sum z^(2j+1) / (2j+1)!!, with enough digits."""
    with localcontext() as context:
        context.prec = 60 + int(z * z / 2)
        x = Decimal(z)
        term = x
        total = x
        odd = 1
        while term != 0 and abs(term) > abs(total) * Decimal(10) ** -context.prec:
            odd += 2
            term = term * x * x / odd
            total += term
        # The root of pi/2 from Machin's formula, at the same precision.
        pi = 16 * _arctan_inverse(5) - 4 * _arctan_inverse(239)
        return (pi / 2).sqrt() * (x * x / 2).exp() - total


def _arctan_inverse(n: int) -> Decimal:
    total = term = Decimal(1) / n
    odd = 1
    while term + total != total:
        term = -term / (n * n)
        odd += 2
        total += term / odd
    return total


@pytest.fixture(scope="session")
def exact_mills() -> Callable[[float], Decimal]:
    return exact_mills_ratio


def black_price(forward: float, strike: float, total_vol: float, option_sign: float) -> float:
    """Undiscounted price from the error function: the textbook form, for round trips."""
    d1 = math.log(forward / strike) / total_vol + total_vol / 2
    d2 = d1 - total_vol
    root = math.sqrt(2)
    return (
        option_sign
        * 0.5
        * (
            forward * math.erfc(-option_sign * d1 / root)
            - strike * math.erfc(-option_sign * d2 / root)
        )
    )


@pytest.fixture(scope="session")
def price_black() -> Callable[[float, float, float, float], float]:
    return black_price
