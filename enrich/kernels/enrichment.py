"""One pass over a stream entry: decode, look up, follow forwards, choose prices, solve, write.

Ticks are taken strictly one after the other and only the solving is done in blocks, from inputs
gathered tick by tick; so the records do not depend on how a tape was cut into entries.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels import layout
from enrich.kernels.block import solve_block
from enrich.kernels.jit import compiled, inlined
from enrich.kernels.price import book_figures
from enrich.kernels.status import (
    FLAG_ILL_CONDITIONED,
    FLAG_SUB_TICK,
    FLAG_THETA_GT_TIME_VALUE,
)
from enrich.kernels.tick import (
    CALL,
    IMPOSSIBLE_VALUE,
    KEPT_OUT,
    REPEATED,
    TIME_BACKWARDS,
    clear_results,
    enrich_tick,
    follow,
    write_lineage,
)
from shared.kite.codec.decode import decode_packet
from shared.kite.codec.scan import scan_frame
from shared.kite.codec.tokens import lookup

#: A trading year has 252 days, one by the calendar 365.
_DAYS_RATIO: Final = 365.0 / 252.0
_SEGMENT_HEADER_BYTES: Final = 12
_FORWARD_MODE: Final = True
_UNKNOWN_INSTRUMENT: Final = 1

# What `enrich_entry` counts, by position in its `counts` argument, int64 (COUNTS,).
ROWS: Final = 0
UNKNOWN_PACKETS: Final = 1
UNKNOWN_INSTRUMENTS: Final = 2
DAMAGED_FRAMES: Final = 3
REPEATED_TICKS: Final = 4
UNDECODED_PACKETS: Final = 5
IMPOSSIBLE_TICKS: Final = 6
BACKWARDS_TICKS: Final = 7
TICKS_SEEN: Final = 8  # engine-wide, never reset: the order of ticks
COUNTS: Final = 9


@inlined
def gather(scratch: Any, slot: int, record: Any, years: float, state: Any, group: Any) -> None:
    """Write one option's inputs, prepared in its record, to a slot of the solver's scratch.

    `years` to expiry by the calendar, by which money grows; see `_scale` for trading time.
    """
    scratch[layout.PRICE + slot] = record["price"]
    scratch[layout.UNDERLYING + slot] = record["forward"]
    scratch[layout.STRIKE + slot] = state["strike"]
    scratch[layout.TIME_TO_EXPIRY + slot] = years
    scratch[layout.RATE + slot] = group["rate"]
    scratch[layout.DIVIDEND_YIELD + slot] = group["rate"]
    scratch[layout.OPTION_SIGN + slot] = 1.0 if state["kind"] == CALL else -1.0


@compiled
def _scale(record: Any, years: float) -> None:
    """Tell what was solved in calendar years by the record's own time: the same price.

    Total volatility stays, so do delta, gamma, rho; decay is per day of that time's year.
    """
    ratio = years / record["time_to_expiry"]
    root = math.sqrt(ratio)
    record["implied_vol"] *= root
    record["vega_per_vol_point"] /= root
    record["vanna"] /= root
    record["vomma"] /= ratio
    record["theta_per_day"] *= ratio * _DAYS_RATIO
    record["charm"] *= ratio * _DAYS_RATIO


@compiled
def _scatter(scratch: Any, slot: int, record: Any, status: int, tick_size: float) -> None:
    record["status"] = status
    if status != 0:
        return
    record["implied_vol"] = scratch[layout.IMPLIED_VOL + slot]
    record["delta"] = scratch[layout.DELTA + slot]
    record["gamma"] = scratch[layout.GAMMA + slot]
    theta, vega = scratch[layout.THETA + slot], scratch[layout.VEGA + slot]
    record["theta_per_day"], record["vega_per_vol_point"] = theta, vega
    record["rho_per_percent"] = scratch[layout.RHO + slot]
    record["vanna"] = scratch[layout.VANNA + slot]
    record["vomma"] = scratch[layout.VOMMA + slot]
    record["charm"] = scratch[layout.CHARM + slot]
    years = scratch[layout.TIME_TO_EXPIRY + slot]
    if years != record["time_to_expiry"]:
        _scale(record, years)
        theta, vega = float(record["theta_per_day"]), float(record["vega_per_vol_point"])
    iv_tick = tick_size / vega
    record["iv_tick"] = iv_tick
    time_value = record["time_value"]
    if 0.0 < time_value < 0.5 * tick_size:
        record["flags"] |= FLAG_SUB_TICK
    if abs(theta) > time_value:
        record["flags"] |= FLAG_THETA_GT_TIME_VALUE
    if iv_tick > 1.0:
        record["flags"] |= FLAG_ILL_CONDITIONED


@compiled
def solve(work: Any, filled: int, records: Any, states: Any) -> None:
    """Solve the gathered rows, write them back to their records."""
    scratch, rows, statuses, indices = work
    if filled == 0:
        return
    solve_block(scratch, filled, statuses, _FORWARD_MODE)
    for slot in range(filled):
        tick_size = states[indices[rows[slot]]]["tick_size"]
        _scatter(scratch, slot, records[rows[slot]], statuses[slot], tick_size)


@compiled
def enrich_entry(
    entry: Any, table: Any, tables: Any, parameters: Any, lineage: Any, output: Any, work: Any
) -> None:
    """Enrich every packet of a raw entry's segments.

    `entry`: uint8 (bytes,). `table`: keys and values of a TokenTable from token to state row.
    `tables`: states, groups, strikes, changed in place. `output`: records (capacity,), last
    records (states,), counts int64 (COUNTS,). `work`: packet columns, solver scratch, parity
    scratch. Rows beyond the capacity are not decoded; the caller sizes it from the entry's header.
    """
    records, last, counts = output
    offsets, lengths, tokens, scratch, rows, statuses, indices, parity = work
    solver = (scratch, rows, statuses, indices)
    states = tables[0]
    row = filled = packet = 0
    position: Any = 0
    while entry.size - position >= _SEGMENT_HEADER_BYTES:
        received_at_ns: Any = np.int64(0)
        for byte in range(8):
            received_at_ns |= np.int64(entry[position + byte]) << np.int64(8 * byte)
        length: Any = np.int64(0)
        for byte in range(4):
            length |= np.int64(entry[position + 8 + byte]) << np.int64(8 * byte)
        start = position + _SEGMENT_HEADER_BYTES
        if length > entry.size - start:
            break
        position = start + length
        count, reason, _ = scan_frame(entry, start, position, offsets, lengths, tokens)
        if reason != 0:
            counts[DAMAGED_FRAMES] += 1
        for k in range(count):
            if row >= records.size:
                counts[UNDECODED_PACKETS] += count - k
                break
            packet += 1
            if decode_packet(entry, offsets[k], lengths[k], records, row) == 0:
                counts[UNKNOWN_PACKETS] += 1
                continue
            record = records[row]
            clear_results(record)
            write_lineage(record, received_at_ns, packet - 1, lineage)
            index = lookup(table[0], table[1], tokens[k])
            indices[row] = index
            counts[TICKS_SEEN] += 1
            if index < 0:
                counts[UNKNOWN_INSTRUMENTS] += 1
                record["tick_flags"] = _UNKNOWN_INSTRUMENT
                book_figures(record)
            else:
                years = enrich_tick(record, index, tables, parity, counts[TICKS_SEEN], parameters)
                if years >= 0.0:
                    group = tables[1][states[index]["group"]]
                    gather(scratch, filled, record, years, states[index], group)
                    rows[filled] = row
                    filled += 1
                    if filled == layout.BLOCK_ROWS:
                        solve(solver, filled, records, states)
                        filled = 0
            row += 1
    if position != entry.size:
        counts[DAMAGED_FRAMES] += 1
    solve(solver, filled, records, states)
    for k in range(row):
        flags = records[k]["tick_flags"]
        if indices[k] >= 0 and flags & KEPT_OUT == 0:
            last[indices[k]] = records[k]
        if flags & REPEATED != 0:
            counts[REPEATED_TICKS] += 1
        if flags & IMPOSSIBLE_VALUE != 0:
            counts[IMPOSSIBLE_TICKS] += 1
        if flags & TIME_BACKWARDS != 0:
            counts[BACKWARDS_TICKS] += 1
    counts[ROWS] = row


@compiled
def restore(records: Any, table: Any, states: Any, last: Any, parameters: Any) -> None:
    """Take over what another owner knew and we do not: newest records, shape (n,), changed here."""
    for row in range(records.size):
        index = lookup(table[0], table[1], records[row]["instrument_token"])
        if index < 0:
            continue
        received_at_ns: Any = np.int64(records[row]["received_at_ns"])
        if received_at_ns > states[index]["received_at_ns"]:
            last[index] = records[row]
            follow(records[row], states[index], 0, parameters)
