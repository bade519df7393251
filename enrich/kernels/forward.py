"""The forward of an expiry: put-call parity round the money over a fast reference, or carry.

The reference is the future of the same expiry where it trades, else the underlying. Parity gives
the *basis*, forward less reference, as a weighted median over the strikes nearest the money; the
forward is then the newest reference plus that basis, so it follows the underlying at once while
the basis, which moves slowly, is measured from quotes that belong together. A pair counts as
belonging together when both legs came after the reference's last move.

Source: put-call parity, Stoll (1969): F = K + (C - P) exp(rT).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels.jit import compiled, inlined

SOURCE_NONE: Final = 0
SOURCE_PARITY: Final = 1
SOURCE_FUTURE: Final = 2
SOURCE_FUTURE_INTERPOLATED: Final = 3
SOURCE_SPOT_CARRY: Final = 4

YEAR_NS: Final = 365.0 * 86_400.0 * 1e9
#: Between the last trade and expiry no trading time is left: this much is counted.
TRADED_NS_MIN: Final = 1e9
#: Strikes nearest the money that are looked at; fewer than PAIRS_MIN good ones give no parity:
#: one stale leg must never move a whole expiry.
PAIRS_MAX: Final = 5
PAIRS_MIN: Final = 3
#: ln(future / underlying) that is believed: this much, as of dividends, plus so much a year.
_LOG_BASIS_MAX: Final = 0.05
_CARRY_MAX: Final = 0.5
#: One quote of a future moves the carry measured from it by no more.
_LOG_BASIS_STEP_MAX: Final = 0.0005
#: Beyond the last future its carry is believed up to this many times its own time to expiry.
_BEYOND_MAX: Final = 2.0


@inlined
def volatility_years(group: Any, years: float) -> float:
    """Return the time that volatility counts: calendar years to expiry, or trading years."""
    year_ns = group["trading_year_ns"]
    if year_ns == 0.0 or not years > 0.0:
        return years
    in_window_ns = years * YEAR_NS - group["window_left_ns"]
    in_window_ns = min(max(in_window_ns, 0.0), float(group["window_ns"]))
    left_ns = max(group["traded_left_ns"] + in_window_ns, TRADED_NS_MIN)
    return float(left_ns / year_ns)


@compiled
def reference_row(group: Any, states: Any, now_ns: int, age_max_ns: int) -> int:
    """Return the row that moves the forward: the fresh future, else the underlying, or -1."""
    future = group["future"]
    underlying = group["underlying"]
    if future >= 0 and states[future]["price"] > 0.0:
        fresh = now_ns - states[future]["received_at_ns"] <= age_max_ns
        if fresh or underlying < 0 or not states[underlying]["price"] > 0.0:
            return int(future)
    if underlying >= 0 and states[underlying]["price"] > 0.0:
        return int(underlying)
    return -1


@compiled
def nearest_strike(strikes: Any, start: int, end: int, price: float) -> int:
    """Return the row of the strike nearest `price` in strikes[start:end], ascending, not empty."""
    low, high = start, end
    while low < high:
        middle = (low + high) // 2
        if strikes[middle]["strike"] < price:
            low = middle + 1
        else:
            high = middle
    if low == end:
        return end - 1
    if low > start and price - strikes[low - 1]["strike"] < strikes[low]["strike"] - price:
        return low - 1
    return low


@inlined
def weighted_median(values: Any, weights: Any, count: int) -> float:
    """Return the weighted median of the first `count` values, which are sorted in place."""
    for i in range(1, count):
        value, weight = values[i], weights[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1], weights[j + 1] = values[j], weights[j]
            j -= 1
        values[j + 1], weights[j + 1] = value, weight
    total = 0.0
    for i in range(count):
        total += weights[i]
    below = 0.0
    for i in range(count):
        below += weights[i]
        if 2.0 * below > total:
            return float(values[i])
        if 2.0 * below == total:  # the middle falls between two values
            return 0.5 * (float(values[i]) + float(values[i + 1]))
    return float(values[count - 1])


@compiled
def parity_forward(
    group: Any,
    states: Any,
    strikes: Any,
    reference: int,
    now_ns: int,
    remaining_ns: int,
    parameters: Any,
    work: Any,
) -> float:
    """Return the parity forward in rupees from pairs newer than the reference, or 0.0 for none.

    `work` is a float64 (2, PAIRS_MAX) scratch. Quotes must be two-sided, young, narrow.
    """
    start, end = group["strikes_start"], group["strikes_end"]
    if end - start < PAIRS_MIN:
        return 0.0
    price = states[reference]["price"]
    after = states[reference]["order"]
    centre = nearest_strike(strikes, start, end, price)
    growth = math.exp(group["rate"] * max(0.0, remaining_ns / YEAR_NS))
    first = max(start, min(centre - PAIRS_MAX // 2, end - PAIRS_MAX))
    count = 0
    for row in range(first, min(end, first + PAIRS_MAX)):
        call, put = strikes[row]["call"], strikes[row]["put"]
        if call < 0 or put < 0:
            continue
        if states[call]["sane"] == 0 or states[put]["sane"] == 0:
            continue
        if states[call]["order"] < after or states[put]["order"] < after:
            continue
        oldest = min(states[call]["received_at_ns"], states[put]["received_at_ns"])
        if now_ns - oldest > parameters["parity_age_max_ns"]:
            continue
        spread = states[call]["spread"] + states[put]["spread"]
        straddle = states[call]["price"] + states[put]["price"]
        if spread > max(0.2, parameters["parity_spread_ratio_max"] * straddle):
            continue
        gap = states[call]["price"] - states[put]["price"]
        work[0, count] = strikes[row]["strike"] + gap * growth
        work[1, count] = 1.0 / spread
        count += 1
    if count < PAIRS_MIN:
        return 0.0
    return weighted_median(work[0], work[1], count)


@compiled
def measure_carry(state: Any, states: Any, now_ns: int, age_max_ns: int) -> None:
    """Measure, as a future ticks, how far in logarithm it lies from a fresh underlying."""
    row = state["underlying"]
    if row < 0 or not states[row]["price"] > 0.0 or not state["price"] > 0.0:
        return
    if now_ns - states[row]["received_at_ns"] > age_max_ns:
        return
    log_basis = math.log(state["price"] / states[row]["price"])
    years = max(0.0, (state["expiry_ns"] - now_ns) / YEAR_NS)
    if abs(log_basis) > _LOG_BASIS_MAX + _CARRY_MAX * years:
        return
    if state["log_basis_at_ns"] > 0 and now_ns - state["log_basis_at_ns"] <= age_max_ns:
        step = log_basis - state["log_basis"]
        log_basis = state["log_basis"] + min(max(step, -_LOG_BASIS_STEP_MAX), _LOG_BASIS_STEP_MAX)
    state["log_basis"], state["log_basis_at_ns"] = log_basis, now_ns


@compiled
def interpolated_basis(
    group: Any, states: Any, now_ns: int, remaining_ns: int, age_max_ns: int
) -> tuple[float, Any]:
    """Return ln(forward / underlying) from the futures round an expiry, with its age in ns.

    Linear in time between nought now, the future that expires before, the one that expires after;
    beyond the last future at its carry. Futures that have not ticked for `age_max_ns` are not
    asked. NaN: nothing to tell from.
    """
    years_before = years_after = basis_before = basis_after = 0.0
    oldest_ns: Any = np.int64(now_ns)
    before, after = group["future_before"], group["future_after"]
    if before >= 0 and now_ns - states[before]["log_basis_at_ns"] <= age_max_ns:
        left_ns = remaining_ns + states[before]["expiry_ns"] - group["expiry_ns"]
        if left_ns > 0:
            years_before, basis_before = left_ns / YEAR_NS, states[before]["log_basis"]
            oldest_ns = min(oldest_ns, states[before]["log_basis_at_ns"])
    if after >= 0 and now_ns - states[after]["log_basis_at_ns"] <= age_max_ns:
        left_ns = remaining_ns + states[after]["expiry_ns"] - group["expiry_ns"]
        years_after, basis_after = left_ns / YEAR_NS, states[after]["log_basis"]
        oldest_ns = min(oldest_ns, states[after]["log_basis_at_ns"])
    years = max(0.0, remaining_ns / YEAR_NS)
    if years_after > 0.0:
        part = (years - years_before) / (years_after - years_before)
        return basis_before + part * (basis_after - basis_before), now_ns - oldest_ns
    if years_before > 0.0 and years <= _BEYOND_MAX * years_before:
        return basis_before * years / years_before, now_ns - oldest_ns
    return math.nan, np.int64(0)


@compiled
def refresh_forward(
    group: Any,
    states: Any,
    strikes: Any,
    now_ns: int,
    remaining_ns: int,
    parameters: Any,
    work: Any,
) -> None:
    """Set the group's forward, source, age from what is known at `now_ns`, a receive time.

    `remaining_ns` to expiry is by the exchange's clock, as the volatility's own time is.
    """
    age_max_ns = parameters["parity_age_max_ns"]
    reference = reference_row(group, states, now_ns, age_max_ns)
    if reference < 0:
        group["source"], group["forward"] = SOURCE_NONE, math.nan
        return
    if reference != group["reference"]:
        group["reference"], group["basis_at_ns"], group["refreshed_at_ns"] = reference, 0, 0
    price = states[reference]["price"]
    if now_ns - group["refreshed_at_ns"] >= parameters["parity_refresh_ns"]:
        forward = parity_forward(
            group, states, strikes, reference, now_ns, remaining_ns, parameters, work
        )
        if forward > 0.0:
            group["basis"] = forward - price
            group["basis_at_ns"] = group["refreshed_at_ns"] = now_ns
    oldest = states[reference]["received_at_ns"]
    if group["basis_at_ns"] > 0 and now_ns - group["basis_at_ns"] <= age_max_ns:
        group["source"], group["forward"] = SOURCE_PARITY, price + group["basis"]
        oldest = min(oldest, group["basis_at_ns"])
    elif reference == group["future"]:
        group["source"], group["forward"] = SOURCE_FUTURE, price
    else:
        log_basis, basis_age_ns = interpolated_basis(
            group, states, now_ns, remaining_ns, age_max_ns
        )
        if math.isnan(log_basis):
            years = max(0.0, remaining_ns / YEAR_NS)
            log_basis = (group["rate"] - group["dividend_yield"]) * years
            group["source"] = SOURCE_SPOT_CARRY
        else:
            group["source"] = SOURCE_FUTURE_INTERPOLATED
            oldest = min(oldest, now_ns - basis_age_ns)
        group["forward"] = price * math.exp(log_basis)
    group["age_ms"] = min(max(0, (now_ns - oldest) // 1_000_000), 4_294_967_295)
