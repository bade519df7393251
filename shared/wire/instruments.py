"""Instruments as they are published: token to contract, underlying and shard.

Published in the tick Redis as the hash `instruments.v1`: field `version` (the day as yyyymmdd
times 100, plus a count), `count`, `layout` (JSON) and `records` (this layout, sorted by token).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from shared.wire.layout import Field, Layout


class Kind(IntEnum):
    """What an instrument is."""

    EQUITY = 0
    INDEX = 1
    FUTURE = 2
    CALL = 3
    PUT = 4


INSTRUMENT = Layout(
    name="instrument",
    version=1,
    fields=(
        Field("instrument_token", "<u4", "", "Kite's instrument_token"),
        Field(
            "underlying_token", "<u4", "", "token of the underlying index or share; 0: not listed"
        ),
        Field("strike", "<f8", "rupees", "0 unless an option"),
        Field("tick_size", "<f8", "rupees", "price step; 0 for an index"),
        Field("expiry_ns", "<u8", "Unix ns, UTC", "the expiry moment; 0: never expires"),
        Field("lot_size", "<u4", "units", "0 for an index"),
        Field("expiry", "<u4", "yyyymmdd", "expiry date as the exchange lists it; 0: none"),
        Field("shard", "<u2", "", "which shard carries its ticks"),
        Field("kind", "|u1", "", "0 equity, 1 index, 2 future, 3 call, 4 put"),
        Field("padding", "|u1", "", "zero"),
        Field("exchange", "|S8", "", "NSE, NFO, BSE, BFO, MCX, CDS, BCD, NCO"),
        Field("tradingsymbol", "|S36", "", "Kite's tradingsymbol"),
        Field("underlying", "|S24", "", "canonical name of the underlying: NIFTY, BANKNIFTY, INFY"),
    ),
    meaning="one instrument of the published set",
)
INSTRUMENT_DTYPE: np.dtype[np.void] = INSTRUMENT.dtype
