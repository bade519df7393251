"""The bar record: what an instrument did in one interval of market time."""

from __future__ import annotations

from enum import IntFlag

import numpy as np

from shared.wire.layout import Field, Layout


class BarFlag(IntFlag):
    """What a consumer should know before using a bar; any number per bar."""

    #: Began before its owner saw the shard: ticks of its beginning may be missing.
    PARTIAL = 1
    #: The instrument's first tick ever seen is in it: volume traded before that tick is unknown.
    BASELINE = 2
    #: The day's volume began anew in it.
    DAY_RESET = 4
    #: Holds ticks stamped before its start: they came after their own bar was closed.
    LATE = 8
    #: A volume of the same day fell: the tick's volume was left out.
    VOLUME_FELL = 16
    #: Closed because the shard's time passed its end, not by a tick of the instrument.
    IDLE = 32


BAR = Layout(
    name="bar",
    version=1,
    fields=(
        Field("start_ns", "<u8", "Unix ns, UTC", "where the interval begins, a multiple of it"),
        Field("closed_at_ns", "<u8", "Unix ns, UTC", "the shard's receive time when it was closed"),
        Field("open", "<f8", "rupees", "last_price of the first tick"),
        Field("high", "<f8", "rupees", "highest last_price seen"),
        Field("low", "<f8", "rupees", "lowest last_price seen"),
        Field("close", "<f8", "rupees", "last_price of the last tick"),
        Field("volume", "<u8", "units", "traded since the instrument's tick before the bar"),
        Field("instrument_token", "<u4", "", "Kite's instrument_token"),
        Field("interval_s", "<u4", "s", "length of the interval"),
        Field("oi_open", "<u4", "units", "open interest at the first full tick; 0: none sent"),
        Field("oi", "<u4", "units", "open interest at the last full tick; 0: none sent"),
        Field("ticks", "<u4", "count", "ticks in the bar"),
        Field("late_ticks", "<u4", "count", "of them stamped before the bar's start"),
        Field("instruments_version", "<u4", "yyyymmddnn", "which instruments were in force"),
        Field("fence", "<u4", "", "fencing number of the shard's owner"),
        Field("underlying_token", "<u4", "", "token of the underlying; 0: none known"),
        Field("shard", "<u2", "", "which shard the instrument belongs to"),
        Field("flags", "|u1", "", "bits of BarFlag"),
        Field("padding", "|u1", "", "zero"),
    ),
    meaning="one instrument's prices, volume, open interest over one interval",
)
BAR_DTYPE: np.dtype[np.void] = BAR.dtype
