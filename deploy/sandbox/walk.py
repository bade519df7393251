"""How spot prices wander: a mean-reverting jump-diffusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TRADING_SECONDS_PER_YEAR = 252 * 23_100
JUMPS_PER_YEAR = 900.0
JUMP_SIZE_IN_DAILY_VOLS = 0.12
TRADING_DAYS_PER_YEAR = 252
#: Pulls a price back to where the day began, so that long runs stay inside the listed strikes.
PULL_PER_YEAR = 200.0


@dataclass(frozen=True, slots=True)
class WalkTerms:
    """Where each price is pulled to in rupees, with its yearly volatility."""

    anchor: Floats
    vol: Floats


def advance(
    spot: Floats, terms: WalkTerms, elapsed_s: float, random: np.random.Generator
) -> Floats:
    """Return the prices `elapsed_s` trading seconds later; draws the same count every call."""
    years = elapsed_s / TRADING_SECONDS_PER_YEAR
    noise = random.standard_normal(spot.size)
    jump = random.standard_normal(spot.size)
    jumps_now = random.random(spot.size) < min(JUMPS_PER_YEAR * years, 1.0)
    daily = terms.vol / np.sqrt(TRADING_DAYS_PER_YEAR)
    pull = -np.log(spot / terms.anchor) * min(PULL_PER_YEAR * years, 1.0)
    move = pull - 0.5 * terms.vol**2 * years + terms.vol * np.sqrt(years) * noise
    move += np.where(jumps_now, daily * JUMP_SIZE_IN_DAILY_VOLS * jump, 0.0)
    return np.asarray(spot * np.exp(move), dtype=np.float64)
