"""Values that no market sends, told apart from values that are merely missing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from enrich.kernels.jit import compiled
from shared.kite.codec.packets import DIVISORS

#: Kite's prices are signed 32-bit numbers of paise (or finer) that the codec reads as unsigned.
_NEGATIVE_FROM: Final = 2.0**31
#: A share, an index always has a price; a derivative that never traded has none, sent as 0.
_EQUITY: Final = 1
#: Exchange stamps ahead of the receive time by more than this are no clock's error.
STAMP_AHEAD_MAX_NS: Final = 86_400_000_000_000
#: Older stamps are kept out for this long at most, and only behind a stamp that is not itself
#: ahead of us by more: whatever a feed does with its stamps, prices flow again after a minute.
BACKWARDS_HELD_NS: Final = 60_000_000_000


@compiled
def is_impossible(record: Any, kind: int) -> bool:
    """Say whether a decoded record of an instrument of this kind cannot be true.

    A negative price anywhere, a share or an index at nought, a stamp a day ahead of our clock.
    """
    negative = _NEGATIVE_FROM / DIVISORS[record["instrument_token"] & np.uint32(0xFF)]
    last = record["last_price"]
    if last >= negative or (kind <= _EQUITY and not last > 0.0):
        return True
    if record["average_price"] >= negative or record["close"] >= negative:
        return True
    if record["open"] >= negative or record["high"] >= negative or record["low"] >= negative:
        return True
    bids, asks = record["bid_price"], record["ask_price"]
    for level in range(5):
        if bids[level] >= negative or asks[level] >= negative:
            return True
    stamp_ns: Any = np.int64(record["exchange_timestamp_s"]) * np.int64(1_000_000_000)
    ahead_ns: Any = stamp_ns - np.int64(record["received_at_ns"])
    return bool(ahead_ns > STAMP_AHEAD_MAX_NS)
