"""What a whole chain says: volatility at the money, skew, put-call ratios, max pain, exposure."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels.chain import DELTA, GAMMA, IMPLIED_VOL, OI, PRICE, UNKNOWN, VOLUME
from enrich.kernels.jit import compiled

# Figures by position; NaN where one does not exist.
ATM_VOL: Final = 0
ATM_STRIKE: Final = 1
STRADDLE: Final = 2
CALL_25_DELTA_VOL: Final = 3
PUT_25_DELTA_VOL: Final = 4
PCR_OI: Final = 5
PCR_VOLUME: Final = 6
MAX_PAIN: Final = 7
CALL_GAMMA_EXPOSURE: Final = 8
PUT_GAMMA_EXPOSURE: Final = 9
CALL_OI: Final = 10
PUT_OI: Final = 11
CALL_VOLUME: Final = 12
PUT_VOLUME: Final = 13
FIGURES: Final = 14

_CALLS: Final = 0
_PUTS: Final = 1


@compiled
def out_of_money_vol(strikes: Any, numbers: Any, forward: float, out: Any) -> None:
    """Write each strike's volatility from its out-of-the-money side, else NaN, shape (n,).

    That side carries no intrinsic value, trades more, and is better conditioned.
    """
    for k in range(strikes.size):
        side = _CALLS if strikes[k] >= forward else _PUTS
        out[k] = numbers[side, IMPLIED_VOL, k]


@compiled
def _at_the_money(strikes: Any, vols: Any, forward: float) -> float:
    """Return the volatility at the forward: total variance linear in log-moneyness between."""
    below = above = -1
    for k in range(strikes.size):
        if math.isnan(vols[k]):
            continue
        if strikes[k] < forward:
            below = k
        else:
            above = k
            break
    if below < 0 or above < 0:
        return math.nan
    left, right = math.log(strikes[below] / forward), math.log(strikes[above] / forward)
    weight = -left / (right - left)
    variance = (1.0 - weight) * vols[below] ** 2 + weight * vols[above] ** 2
    return math.sqrt(variance)


@compiled
def _vol_at_delta(strikes: Any, numbers: Any, side: int, target: float, forward: float) -> float:
    """Return the volatility where the side's |delta| is `target`, linear between two strikes.

    Only strikes out of the money are used, from the forward outwards.
    """
    size = strikes.size
    near_delta, near_vol = math.nan, math.nan
    for step in range(size):
        k = step if side == _CALLS else size - 1 - step
        outside = strikes[k] >= forward if side == _CALLS else strikes[k] < forward
        vol = numbers[side, IMPLIED_VOL, k]
        if not outside or math.isnan(vol):
            continue
        delta = abs(numbers[side, DELTA, k])
        if delta <= target:
            if math.isnan(near_delta):
                return vol if delta == target else math.nan
            if near_delta <= delta:
                return math.nan
            weight = (near_delta - target) / (near_delta - delta)
            return float(near_vol + weight * (vol - near_vol))
        near_delta, near_vol = delta, vol
    return math.nan


@compiled
def _total(codes: Any, side: int, column: int) -> float:
    total, known = 0.0, False
    for k in range(codes.shape[2]):
        if codes[side, column, k] != UNKNOWN:
            total += codes[side, column, k]
            known = True
    return total if known else math.nan


@compiled
def _max_pain(strikes: Any, codes: Any) -> float:
    """Return the strike at which the options open now would pay their holders least."""
    calls = puts = 0.0
    for k in range(strikes.size):
        if codes[_PUTS, OI, k] != UNKNOWN:
            puts += codes[_PUTS, OI, k]
        if codes[_CALLS, OI, k] != UNKNOWN:
            calls += codes[_CALLS, OI, k]
    if calls + puts == 0.0:
        return math.nan
    # From strike to strike the pay-out changes by the calls below and the puts above, times the
    # step: it falls as long as the puts that still pay outnumber the calls that do.
    below, above = 0.0, puts
    best, pain, least = strikes[0], 0.0, 0.0
    for k in range(strikes.size):
        if k > 0:
            pain += (below - above) * (strikes[k] - strikes[k - 1])
            if pain < least:
                best, least = strikes[k], pain
        if codes[_CALLS, OI, k] != UNKNOWN:
            below += codes[_CALLS, OI, k]
        if codes[_PUTS, OI, k] != UNKNOWN:
            above -= codes[_PUTS, OI, k]
    return float(best)


@compiled
def _gamma_exposure(numbers: Any, codes: Any, side: int, forward: float) -> float:
    total, known = 0.0, False
    for k in range(codes.shape[2]):
        gamma = numbers[side, GAMMA, k]
        if codes[side, OI, k] != UNKNOWN and not math.isnan(gamma):
            total += gamma * codes[side, OI, k]
            known = True
    return total * forward * forward / 100.0 if known else math.nan


@compiled
def _straddle(strikes: Any, numbers: Any, forward: float) -> tuple[float, float]:
    """Return the strike nearest the forward that has both prices, and what the two cost."""
    best, cost = math.nan, math.nan
    for k in range(strikes.size):
        both = numbers[_CALLS, PRICE, k] + numbers[_PUTS, PRICE, k]
        if math.isnan(both):
            continue
        if math.isnan(best) or abs(strikes[k] - forward) < abs(best - forward):
            best, cost = strikes[k], both
    return best, cost


@compiled
def figures(strikes: Any, numbers: Any, codes: Any, forward: float, vols: Any, out: Any) -> None:
    """Write the figures of a chain, shape (FIGURES,).

    `strikes` ascending (n,), rupees; `numbers`, `codes`: (2, columns, n), calls first, as in
    `chain`; `vols`: float64 (n,), out-of-the-money volatilities, written here. Exposure is
    gamma times open interest times F^2 / 100: rupees of delta per 1 % move, open interest in units.
    """
    for k in range(FIGURES):
        out[k] = math.nan
    out[CALL_OI], out[PUT_OI] = _total(codes, _CALLS, OI), _total(codes, _PUTS, OI)
    out[CALL_VOLUME] = _total(codes, _CALLS, VOLUME)
    out[PUT_VOLUME] = _total(codes, _PUTS, VOLUME)
    if out[CALL_OI] > 0.0:
        out[PCR_OI] = out[PUT_OI] / out[CALL_OI]
    if out[CALL_VOLUME] > 0.0:
        out[PCR_VOLUME] = out[PUT_VOLUME] / out[CALL_VOLUME]
    out[MAX_PAIN] = _max_pain(strikes, codes)
    out_of_money_vol(strikes, numbers, forward if forward > 0.0 else np.inf, vols)
    if not forward > 0.0:
        return
    out[ATM_STRIKE], out[STRADDLE] = _straddle(strikes, numbers, forward)
    out[ATM_VOL] = _at_the_money(strikes, vols, forward)
    out[CALL_25_DELTA_VOL] = _vol_at_delta(strikes, numbers, _CALLS, 0.25, forward)
    out[PUT_25_DELTA_VOL] = _vol_at_delta(strikes, numbers, _PUTS, 0.25, forward)
    out[CALL_GAMMA_EXPOSURE] = _gamma_exposure(numbers, codes, _CALLS, forward)
    out[PUT_GAMMA_EXPOSURE] = _gamma_exposure(numbers, codes, _PUTS, forward)
