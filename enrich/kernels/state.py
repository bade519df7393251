"""What the enrichment pass remembers: instruments, expiry groups, strikes, parameters."""

from __future__ import annotations

import numpy as np

#: One row per instrument, sorted as published; facts first, then what the last tick said.
INSTRUMENT_STATE = np.dtype(
    [
        ("strike", "<f8"),
        ("tick_size", "<f8"),
        ("expiry_ns", "<i8"),
        ("last_price", "<f8"),
        ("price", "<f8"),  # the price chosen for solving; 0: none
        ("spread", "<f8"),
        ("log_basis", "<f8"),  # of a future: ln(future / underlying) when it last ticked
        ("log_basis_at_ns", "<i8"),  # 0: never measured
        ("received_at_ns", "<i8"),  # 0: never ticked
        ("packets", "<i8"),  # that came here since the start
        ("order", "<i8"),  # engine-wide count of ticks when this one came
        ("exchange_timestamp_s", "<u4"),
        ("last_trade_time_s", "<u4"),
        ("volume_traded", "<u4"),
        ("book_mark", "<u4"),  # digest of the best level, to recognise a repeated packet
        ("underlying_token", "<u4"),
        ("lot_size", "<u4"),
        ("group", "<i4"),  # row in the groups; -1: no expiry
        ("underlying", "<i4"),  # row of the underlying; -1: not listed
        ("twin", "<i4"),  # of an option: row of the other side of its strike; -1: not listed
        ("shard", "<u2"),
        ("kind", "|u1"),
        ("sane", "|u1"),  # 1: two-sided and narrow, fit for parity
        ("price_source", "|u1"),  # of `price`
        ("price_flags", "|u1"),
    ],
    align=True,
)

#: One row per (underlying, exchange, expiry).
GROUP_STATE = np.dtype(
    [
        ("expiry_ns", "<i8"),
        # Trading time, where it is wanted: of the window of time at hand; 0: calendar time.
        ("trading_year_ns", "<f8"),
        ("window_left_ns", "<f8"),  # from the window's end to expiry, by the calendar
        ("window_ns", "<f8"),  # the window's length if it trades, else 0
        ("traded_left_ns", "<f8"),  # traded from the window's end to expiry
        ("rate", "<f8"),
        ("dividend_yield", "<f8"),
        ("forward", "<f8"),
        ("basis", "<f8"),  # parity forward less reference, rupees
        ("basis_at_ns", "<i8"),  # 0: no parity yet
        ("refreshed_at_ns", "<i8"),
        ("reference", "<i4"),  # row the basis is measured from; -1: none yet
        ("future", "<i4"),  # row of the future of this expiry; -1: none
        ("future_before", "<i4"),  # rows of the futures that expire next before it, next after it
        ("future_after", "<i4"),
        ("underlying", "<i4"),
        ("strikes_start", "<i4"),
        ("strikes_end", "<i4"),
        ("age_ms", "<u4"),
        ("parameters_id", "<u4"),  # of rate, dividend yield
        ("source", "|u1"),
    ],
    align=True,
)

#: One row per (group, strike), sorted by strike within the group.
STRIKE = np.dtype([("strike", "<f8"), ("call", "<i4"), ("put", "<i4")], align=True)

#: A single row: what the operator chose.
PARAMETERS = np.dtype(
    [
        ("prefer_mid", "|u1"),
        ("twin_for_itm", "|u1"),
        ("parity_age_max_ns", "<i8"),
        ("parity_refresh_ns", "<i8"),
        ("underlying_age_max_ns", "<i8"),
        ("last_trade_age_max_s", "<i8"),
        ("expiry_window_ns", "<i8"),
        ("spread_floor", "<f8"),
        ("spread_ratio_max", "<f8"),
        ("parity_spread_ratio_max", "<f8"),
    ],
    align=True,
)

#: A single row: what is the same for every packet of one stream entry.
LINEAGE = np.dtype(
    [
        ("raw_entry_ms", "<u8"),
        ("raw_entry_sequence", "<u4"),
        ("fence", "<u4"),
        ("instruments_version", "<u4"),
        ("parameters_id", "<u4"),
    ],
    align=True,
)
