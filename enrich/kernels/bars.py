"""Ticks folded into bars of several lengths, in one pass over enriched records.

A tick's time is the exchange's stamp, else the receive time; never before the shard's floor, never
after the receive time plus the grace. The floor is the shard's newest receive time less the grace,
rounded down to the shortest length: whatever ends there is closed, so a tick that comes later than
the grace counts in the earliest bar still open. Volume is the difference of the day's volumes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from enrich.kernels.jit import compiled, inlined

PARTIAL: Final = 1
BASELINE: Final = 2
DAY_RESET: Final = 4
LATE: Final = 8
VOLUME_FELL: Final = 16
IDLE: Final = 32

_IMPOSSIBLE_VALUE: Final = 4
_LTP: Final = 1
_FULL: Final = 3
_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND_NS
#: India Standard Time is ahead of UTC by this.
_IST_NS: Final = 19_800 * _SECOND_NS
#: A receive time further behind the newest one is another tape: the clock begins anew.
BACKWARDS_MAX_NS: Final = 60 * _SECOND_NS

#: One row per (length, instrument); the last two fields are used with the shortest length only.
OPEN_BAR = np.dtype(
    [
        ("start_ns", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<i8"),
        ("oi_open", "<u4"),
        ("oi", "<u4"),
        ("ticks", "<u4"),  # 0: no bar is open
        ("late_ticks", "<u4"),
        ("flags", "<u4"),
        ("volume_seen", "<u4"),  # the day's volume that is counted already
        ("day_end_ns", "<i8"),  # end of the day that volume belongs to; 0: none seen
    ],
    align=True,
)

#: One row per shard.
SHARD_CLOCK = np.dtype(
    [
        ("now_ns", "<i8"),  # newest receive time; 0: no tick yet
        ("floor_ns", "<i8"),  # bars that end here or before are closed
        ("began_ns", "<i8"),
        ("members_start", "<i8"),  # the shard's rows in the list of members
        ("members_end", "<i8"),
    ],
    align=True,
)


@inlined
def end_of_day(at_ns: int) -> int:
    """Return the next midnight in India after a time, Unix ns."""
    return ((at_ns + _IST_NS) // _DAY_NS + 1) * _DAY_NS - _IST_NS


@compiled
def _emit(bar: Any, span_ns: int, instrument: Any, facts: Any, out: Any) -> None:
    """Write a bar as a record; the bar is closed."""
    out["start_ns"], out["closed_at_ns"] = bar["start_ns"], facts["closed_at_ns"]
    out["open"], out["high"] = bar["open"], bar["high"]
    out["low"], out["close"] = bar["low"], bar["close"]
    out["volume"], out["instrument_token"] = bar["volume"], instrument["instrument_token"]
    out["interval_s"] = span_ns // _SECOND_NS
    out["oi_open"], out["oi"] = bar["oi_open"], bar["oi"]
    out["ticks"], out["late_ticks"] = bar["ticks"], bar["late_ticks"]
    out["instruments_version"], out["fence"] = facts["instruments_version"], facts["fence"]
    out["underlying_token"] = instrument["underlying_token"]
    out["shard"], out["padding"] = instrument["shard"], 0
    out["flags"] = bar["flags"] | facts["closing_flag"]
    bar["ticks"] = 0


@compiled
def _open(bar: Any, start_ns: int, price: float, began_ns: int) -> None:
    bar["start_ns"] = start_ns
    bar["open"] = bar["high"] = bar["low"] = bar["close"] = price
    bar["volume"] = 0
    bar["oi_open"] = bar["oi"] = bar["ticks"] = bar["late_ticks"] = 0
    bar["flags"] = PARTIAL if start_ns < began_ns else 0


@compiled
def _merge(target: Any, bar: Any, span_ns: int, began_ns: int) -> None:
    """Add a closed bar of the shortest length to the open one of a longer length."""
    if target["ticks"] == 0:
        start_ns = bar["start_ns"] - bar["start_ns"] % span_ns
        _open(target, start_ns, bar["open"], began_ns)
    target["high"] = max(target["high"], bar["high"])
    target["low"] = min(target["low"], bar["low"])
    target["close"] = bar["close"]
    target["volume"] += bar["volume"]
    if target["oi_open"] == 0:
        target["oi_open"] = bar["oi_open"]
    if bar["oi"] != 0:
        target["oi"] = bar["oi"]
    target["ticks"] += bar["ticks"]
    target["late_ticks"] += bar["late_ticks"]
    target["flags"] |= bar["flags"] & (BASELINE | DAY_RESET | LATE | VOLUME_FELL)


@compiled
def _close_until(
    bars: Any, row: int, until_ns: int, began_ns: int, spans: Any, instrument: Any, facts: Any,
    out: Any, written: int,
) -> int:  # fmt: skip
    """Close an instrument's bars that end at `until_ns` or before; return the records written."""
    shortest = bars[0, row]
    if shortest["ticks"] > 0 and shortest["start_ns"] + spans[0] <= until_ns:
        for level in range(1, spans.size):
            longer = bars[level, row]
            ends_ns = longer["start_ns"] + spans[level]
            if longer["ticks"] > 0 and ends_ns <= shortest["start_ns"]:
                _emit(longer, spans[level], instrument, facts, out[written])
                written += 1
            _merge(longer, shortest, spans[level], began_ns)
        _emit(shortest, spans[0], instrument, facts, out[written])
        written += 1
    for level in range(1, spans.size):
        longer = bars[level, row]
        if longer["ticks"] > 0 and longer["start_ns"] + spans[level] <= until_ns:
            _emit(longer, spans[level], instrument, facts, out[written])
            written += 1
    return written


@compiled
def _count_volume(bar: Any, volume: Any, traded_ns: int) -> None:
    """Add what was traded since the tick before; `traded_ns` says which day the volume is of."""
    seen = bar["volume_seen"]
    if bar["day_end_ns"] == 0:
        bar["volume_seen"], bar["day_end_ns"] = volume, end_of_day(traded_ns)
        bar["flags"] |= BASELINE
    elif traded_ns >= bar["day_end_ns"]:
        # An exchange that has not begun anew still sends the volume of the day before.
        if volume != seen:
            bar["volume"] += volume
            bar["volume_seen"], bar["day_end_ns"] = volume, end_of_day(traded_ns)
            bar["flags"] |= DAY_RESET
    elif volume >= seen:
        bar["volume"] += np.int64(volume) - np.int64(seen)
        bar["volume_seen"] = volume
    else:
        bar["flags"] |= VOLUME_FELL


@compiled
def _add(bar: Any, record: Any, stamp_ns: int) -> None:
    price = record["last_price"]
    bar["high"] = max(bar["high"], price)
    bar["low"] = min(bar["low"], price)
    bar["close"] = price
    bar["ticks"] += 1
    if stamp_ns < bar["start_ns"]:
        bar["late_ticks"] += 1
        bar["flags"] |= LATE
    if record["mode"] == _FULL and record["oi"] > 0:
        if bar["oi_open"] == 0:
            bar["oi_open"] = record["oi"]
        bar["oi"] = record["oi"]
    if record["mode"] != _LTP:
        traded: Any = np.int64(record["last_trade_time_s"]) * _SECOND_NS
        _count_volume(bar, record["volume_traded"], traded if traded > 0 else stamp_ns)


@compiled
def _flush(
    bars: Any, clock: Any, members: Any, spans: Any, instruments: Any, facts: Any, out: Any,
    written: int,
) -> int:  # fmt: skip
    """Close every bar of a shard that ends at its floor or before."""
    facts["closing_flag"] = IDLE
    until_ns, began_ns = clock["floor_ns"], clock["began_ns"]
    for position in range(clock["members_start"], clock["members_end"]):
        row = members[position]
        written = _close_until(
            bars, row, until_ns, began_ns, spans, instruments[row], facts, out, written
        )
    facts["closing_flag"] = 0
    return written


@compiled
def begin(bars: Any, clock: Any, members: Any) -> None:
    """Forget a shard's clock, its open bars; the volumes counted so far stay."""
    clock["now_ns"] = clock["floor_ns"] = clock["began_ns"] = 0
    for position in range(clock["members_start"], clock["members_end"]):
        for level in range(bars.shape[0]):
            bars[level, members[position]]["ticks"] = 0


@compiled
def _move_clock(clock: Any, received_ns: int, grace_ns: int, span_ns: int) -> bool:
    """Take a receive time; return whether the floor rose."""
    if clock["now_ns"] == 0:
        clock["began_ns"] = received_ns
        clock["floor_ns"] = (received_ns - grace_ns) // span_ns * span_ns
    clock["now_ns"] = received_ns
    if received_ns - grace_ns < clock["floor_ns"] + span_ns:
        return False
    clock["floor_ns"] = (received_ns - grace_ns) // span_ns * span_ns
    return True


@compiled
def fold(
    records: Any, indices: Any, row: int, tables: Any, spans: Any, grace_ns: int, facts: Any,
    out: Any,
) -> tuple[int, int]:  # fmt: skip
    """Fold records from `row` on; return the first row not folded, the bars written to `out`.

    `records`, `indices`: enriched records with their instruments' rows, -1 unknown. `tables`: open
    bars (lengths, instruments), shard clocks, members, instruments. `spans`: lengths in ns,
    ascending, each a multiple of the first. `facts`: a single row of FACTS. It stops early where
    `out` may not hold what the next tick could close: a flush of its shard with its own bars.
    """
    bars, clocks, members, instruments = tables
    written = 0
    for position in range(row, records.size):
        index = indices[position]
        record = records[position]
        price = record["last_price"]
        if index < 0 or not price > 0.0 or record["tick_flags"] & _IMPOSSIBLE_VALUE != 0:
            continue
        clock = clocks[instruments[index]["shard"]]
        received_ns: Any = np.int64(record["received_at_ns"])
        if received_ns > clock["now_ns"] or clock["now_ns"] - received_ns > BACKWARDS_MAX_NS:
            if received_ns >= clock["floor_ns"] + spans[0] + grace_ns:
                due = (clock["members_end"] - clock["members_start"] + 1) * 2 * spans.size
                if out.size - written < due:
                    return position, written
            if clock["now_ns"] - received_ns > BACKWARDS_MAX_NS:
                begin(bars, clock, members)
            if _move_clock(clock, received_ns, grace_ns, spans[0]):
                facts["closed_at_ns"] = received_ns
                written = _flush(bars, clock, members, spans, instruments, facts, out, written)
        if out.size - written < 2 * spans.size:
            return position, written
        stamp_ns: Any = np.int64(record["exchange_timestamp_s"]) * _SECOND_NS
        if stamp_ns == 0:
            stamp_ns = received_ns
        at_ns = min(max(stamp_ns, clock["floor_ns"]), received_ns + grace_ns)
        bar = bars[0, index]
        if bar["ticks"] > 0 and at_ns >= bar["start_ns"] + spans[0]:
            facts["closed_at_ns"] = clock["now_ns"]
            written = _close_until(
                bars, index, at_ns, clock["began_ns"], spans, instruments[index], facts, out,
                written,
            )  # fmt: skip
        if bar["ticks"] == 0:
            _open(bar, at_ns - at_ns % spans[0], price, clock["began_ns"])
        _add(bar, record, stamp_ns)
    return records.size, written


@compiled
def take_over(records: Any, indices: Any, bars: Any) -> None:
    """Take the day's volumes of an earlier owner's newest records as counted already."""
    for position in range(records.size):
        index, record = indices[position], records[position]
        if index < 0 or record["mode"] == _LTP or record["received_at_ns"] == 0:
            continue
        at_s: Any = np.int64(record["last_trade_time_s"])
        if at_s == 0:
            at_s = np.int64(record["exchange_timestamp_s"])
        at_ns: Any = at_s * _SECOND_NS if at_s > 0 else np.int64(record["received_at_ns"])
        bar = bars[0, index]
        if bar["day_end_ns"] == 0:
            bar["volume_seen"], bar["day_end_ns"] = record["volume_traded"], end_of_day(at_ns)
