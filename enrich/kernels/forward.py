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

from enrich.kernels.jit import compiled, inlined

SOURCE_NONE: Final = 0
SOURCE_PARITY: Final = 1
SOURCE_FUTURE: Final = 2
SOURCE_SPOT_CARRY: Final = 4

YEAR_NS: Final = 365.0 * 86_400.0 * 1e9
#: Strikes nearest the money that are looked at; fewer than PAIRS_MIN good ones give no parity:
#: one stale leg must never move a whole expiry.
PAIRS_MAX: Final = 5
PAIRS_MIN: Final = 3


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
        years = max(0.0, remaining_ns / YEAR_NS)
        carry = math.exp((group["rate"] - group["dividend_yield"]) * years)
        group["source"], group["forward"] = SOURCE_SPOT_CARRY, price * carry
    group["age_ms"] = min(max(0, (now_ns - oldest) // 1_000_000), 4_294_967_295)
