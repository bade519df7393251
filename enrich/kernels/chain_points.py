"""Which volatilities of a chain a smile is drawn through, where segments cross a moment."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels.jit import compiled
from enrich.kernels.price import SOURCE_MID
from enrich.kernels.status import FLAG_ILL_CONDITIONED, OK

_HEADER_BYTES: Final = 12
#: A quote is trusted to this much volatility at best, so that no single one rules the fit.
_VOL_ERROR_MIN: Final = 5e-4
#: A receive time further back than this is another tape.
BACKWARDS_MAX_NS: Final = 60_000_000_000


@compiled
def smile_points(
    strikes: Any, records: Any, forward: float, at_ns: int, age_max_ns: int, x: Any, vols: Any,
    weights: Any,
) -> int:  # fmt: skip
    """Write log-moneyness, volatility, weight of the usable strikes; return how many there are.

    `records`: calls then puts, shape (2 n,), solved. Usable: the out-of-the-money side, from the
    middle of a sane book, well conditioned, no older than `age_max_ns`. A weight is the inverse
    square of what half the spread is worth in total variance.
    """
    count = 0
    size = strikes.size
    for k in range(size):
        record = records[k] if strikes[k] >= forward else records[size + k]
        if record["status"] != OK or record["price_source"] != SOURCE_MID:
            continue
        if record["flags"] & FLAG_ILL_CONDITIONED != 0:
            continue
        if at_ns - np.int64(record["received_at_ns"]) > age_max_ns:
            continue
        vol = record["implied_vol"]
        error = 0.5 * float(record["spread"]) / (100.0 * float(record["vega_per_vol_point"]))
        error = 2.0 * vol * record["time_to_expiry"] * max(error, _VOL_ERROR_MIN)
        x[count], vols[count] = math.log(strikes[k] / forward), vol
        weights[count] = 1.0 / (error * error)
        count += 1
    return count


@compiled
def first_outside(segments: Any, position: Any, begin_ns: int, end_ns: int) -> tuple[int, int]:
    """Return where the first segment received outside [begin_ns, end_ns) begins, with its time.

    Without one, the size of `segments` (uint8, segments end to end) with 0; damage ends the look.
    """
    while segments.size - position >= _HEADER_BYTES:
        received_at_ns: Any = np.int64(0)
        for byte in range(8):
            received_at_ns |= np.int64(segments[position + byte]) << np.int64(8 * byte)
        if received_at_ns >= end_ns or received_at_ns < begin_ns:
            return position, received_at_ns
        length: Any = np.int64(0)
        for byte in range(4):
            length |= np.int64(segments[position + 8 + byte]) << np.int64(8 * byte)
        position += _HEADER_BYTES + length
    return segments.size, 0
