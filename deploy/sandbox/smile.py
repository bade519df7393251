"""The volatility each strike is priced with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SECONDS_PER_YEAR = 365 * 86_400
SHORTEST_SCALE_YEARS = 3_600 / SECONDS_PER_YEAR
STANDARD_DEVIATIONS_MAX = 8.0
TERM_BUMP = 0.18
TERM_DECAY_PER_YEAR = 14.0


@dataclass(frozen=True, slots=True)
class SmileShape:
    """One expiry's smile: `at_the_money` vol at long maturity, lean, steepness of the wings."""

    at_the_money: Floats
    lean: Floats
    wings: Floats


def smile_vol(
    strike: Floats, forward: Floats, time_to_expiry: Floats, shape: SmileShape, level: float
) -> Floats:
    """Return the yearly volatility of each strike; `level` scales the whole surface.

    A hyperbola in moneyness counted in standard deviations, so that it is smooth at the money and
    straight in the wings. Source: the form of Gatheral's SVI, "A parsimonious arbitrage-free
    implied volatility parameterization" (2004), written for volatility.
    """
    bump = 1.0 + TERM_BUMP * np.exp(-TERM_DECAY_PER_YEAR * np.maximum(time_to_expiry, 0.0))
    centre = shape.at_the_money * bump * level
    scale = centre * np.sqrt(np.maximum(time_to_expiry, SHORTEST_SCALE_YEARS))
    distance = np.clip(
        np.log(strike / forward) / scale, -STANDARD_DEVIATIONS_MAX, STANDARD_DEVIATIONS_MAX
    )
    curve = shape.lean * distance + np.sqrt(distance * distance + 1.0) - 1.0
    return np.asarray(centre * (1.0 + shape.wings * curve), dtype=np.float64)
