"""The C library's functions for single numbers, made total.

The compiled kernels and the interpreter then call the same functions (numpy has its own, which
differ in the last bits), and neither raises where the other gives an infinity: a numpy number is
returned, whose division by zero is one.
"""

from __future__ import annotations

import math

import numpy as np

from enrich.kernels.jit import inlined

_EXPONENT_MAX = 709.7


@inlined
def exp(x: float) -> float:
    """Return e to the power x, infinite beyond the doubles."""
    return math.inf if x > _EXPONENT_MAX else np.float64(math.exp(x))


@inlined
def expm1(x: float) -> float:
    """Return exp(x) - 1, infinite beyond the doubles."""
    return math.inf if x > _EXPONENT_MAX else np.float64(math.expm1(x))


@inlined
def log(x: float) -> float:
    """Return ln(x), -inf for zero, NaN for less."""
    if x > 0.0:
        return np.float64(math.log(x))
    return -math.inf if x == 0.0 else math.nan


@inlined
def log1p(x: float) -> float:
    """Return ln(1 + x), NaN for -1 or less."""
    return np.float64(math.log1p(x)) if x > -1.0 else math.nan
