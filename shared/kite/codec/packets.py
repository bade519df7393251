"""What a Kite packet is, as numbers.

Source: kite.trade/docs/connect/v3/websocket (read 2026-11), the parsers of kiteconnect 5.2.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: A frame begins with the number of packets, a packet with its length; both big-endian u16.
COUNT_BYTES: Final = 2
LENGTH_BYTES: Final = 2
TOKEN_BYTES: Final = 4

#: The length of a packet alone decides its kind.
LTP_BYTES: Final = 8
INDEX_QUOTE_BYTES: Final = 28
INDEX_FULL_BYTES: Final = 32
QUOTE_BYTES: Final = 44
FULL_BYTES: Final = 184

#: What `decode_packet` found; 0 is a length we do not know.
KIND_UNKNOWN: Final = 0
KIND_LTP: Final = 1
KIND_INDEX_QUOTE: Final = 2
KIND_INDEX_FULL: Final = 3
KIND_QUOTE: Final = 4
KIND_FULL: Final = 5

#: The count is a u16, so no frame holds more.
FRAME_PACKETS_MAX: Final = 65_535

#: Divisor of prices by the token's low byte, its segment; every segment not named here: 100.
#: Source: kiteconnect 5.2.2 `ticker.py` (PyPI, read 2026-11). The documentation gives currencies
#: 10^7 without exception; the parsers in use give BSE currencies (6) and NCO (12) 10^4.
SEGMENT_DIVISORS: Final = {3: 10_000_000.0, 6: 10_000.0, 12: 10_000.0}
PAISE_PER_RUPEE: Final = 100.0

#: Segment of indices, which are not tradable.
SEGMENT_INDICES: Final = 9


def _divisors() -> npt.NDArray[np.float64]:
    table = np.full(256, PAISE_PER_RUPEE, dtype=np.float64)
    for segment, divisor in SEGMENT_DIVISORS.items():
        table[segment] = divisor
    table.setflags(write=False)
    return table


#: The same as a column, shape (256,), for compiled code.
DIVISORS: Final = _divisors()
