"""One chain at one moment: every option of a ladder solved again, off one forward.

Nothing of the engine's own state is changed: the forward is refreshed in a copy of the group, the
records are copies, so ticks are enriched the same with chains as without.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels import layout
from enrich.kernels.enrichment import gather, solve
from enrich.kernels.forward import refresh_forward
from enrich.kernels.jit import compiled
from enrich.kernels.status import NO_PRICE, NOT_AN_OPTION
from enrich.kernels.tick import clear_results, prepare_option

# Columns of numbers per side, by position; their decimals are what a message carries.
BID: Final = 0
ASK: Final = 1
LAST: Final = 2
PRICE: Final = 3
IMPLIED_VOL: Final = 4
DELTA: Final = 5
GAMMA: Final = 6
THETA: Final = 7
VEGA: Final = 8
RHO: Final = 9
VANNA: Final = 10
VOMMA: Final = 11
CHARM: Final = 12
NUMBERS: Final = 13
#: Ten to the decimals of each column.
SCALES: Final = np.array(
    [1e4, 1e4, 1e4, 1e4, 1e6, 1e5, 1e9, 1e4, 1e4, 1e5, 1e7, 1e5, 1e6], dtype=np.float64
)

# Columns of whole numbers per side.
TOKEN: Final = 0
STATUS: Final = 1
FLAGS: Final = 2
PRICE_SOURCE: Final = 3
OI: Final = 4
OI_CHANGE: Final = 5
VOLUME: Final = 6
AT_MS: Final = 7
CODES: Final = 8
#: Stands for a number that is not known, such as the open interest of what never ticked.
UNKNOWN: Final = -(2**62)

_FULL: Final = 3
_LTP: Final = 1


@compiled
def newest_ns(group: Any, states: Any, strikes: Any) -> tuple[int, int, int]:
    """Return when an option of the group ticked last, when its reference did; 0: never.

    Third is the exchange's newest stamp of all of them, Unix ns, 0 where none was sent.
    """
    option: Any = np.int64(0)
    stamp_s: Any = np.int64(0)
    for row in range(group["strikes_start"], group["strikes_end"]):
        call, put = strikes[row]["call"], strikes[row]["put"]
        if call >= 0:
            option = max(option, states[call]["received_at_ns"])
            stamp_s = max(stamp_s, np.int64(states[call]["exchange_timestamp_s"]))
        if put >= 0:
            option = max(option, states[put]["received_at_ns"])
            stamp_s = max(stamp_s, np.int64(states[put]["exchange_timestamp_s"]))
    moved: Any = np.int64(0)
    if group["future"] >= 0:
        moved = max(moved, states[group["future"]]["received_at_ns"])
        stamp_s = max(stamp_s, np.int64(states[group["future"]]["exchange_timestamp_s"]))
    if group["underlying"] >= 0:
        moved = max(moved, states[group["underlying"]]["received_at_ns"])
        stamp_s = max(stamp_s, np.int64(states[group["underlying"]]["exchange_timestamp_s"]))
    return option, moved, stamp_s * 1_000_000_000


@compiled
def reprice(
    rows: Any, group: Any, tables: Any, last: Any, at_ns: int, remaining_ns: int,
    parameters: Any, records: Any, work: Any,
) -> None:  # fmt: skip
    """Write the newest record of each row into `records`, solved anew as of `at_ns`.

    `at_ns` is a receive time, `remaining_ns` to expiry by the exchange's clock, as for a tick.
    `rows`: instrument rows, shape (n,), -1: not listed. `group`: a copy, its forward is refreshed.
    `work`: solver scratch, rows, statuses, indices (n,), parity scratch.
    """
    states, _, strikes = tables
    scratch, slots, statuses, indices, parity = work
    refresh_forward(group, states, strikes, at_ns, remaining_ns, parameters, parity)
    filled = 0
    for k in range(rows.size):
        record, index = records[k], rows[k]
        indices[k] = index
        if index < 0:
            record["instrument_token"] = record["received_at_ns"] = 0
            record["volume_traded"] = record["oi"] = record["mode"] = 0
            record["last_price"] = record["bid_price"][0] = record["ask_price"][0] = math.nan
            clear_results(record)
            continue
        records[k] = last[index]
        ticked_ns = record["received_at_ns"]
        clear_results(record)
        record["status"] = NOT_AN_OPTION
        if ticked_ns == 0:
            record["status"] = NO_PRICE
            continue
        # Its own price, whatever the record was solved for: its twin may be another by now.
        state = states[index]
        record["price"] = state["price"] if state["price"] > 0.0 else math.nan
        record["price_source"], record["flags"] = state["price_source"], state["price_flags"]
        record["received_at_ns"] = at_ns
        years = prepare_option(record, state, group, states, remaining_ns, parameters)
        record["received_at_ns"] = ticked_ns
        if years >= 0.0:
            gather(scratch, filled, record, years, state, group)
            slots[filled] = k
            filled += 1
            if filled == layout.BLOCK_ROWS:
                solve((scratch, slots, statuses, indices), filled, records, states)
                filled = 0
    solve((scratch, slots, statuses, indices), filled, records, states)


@compiled
def _rounded(value: float, scale: float) -> float:
    return float(np.floor(value * scale + 0.5)) / scale


@compiled
def columns(
    records: Any, rows: Any, first_oi: Any, day_start_ns: int, numbers: Any, codes: Any
) -> None:
    """Write records of one side, shape (n,), as columns of a message.

    `rows`: instrument rows, -1: none. `first_oi`: int64 per instrument row, the day's first seen
    open interest, UNKNOWN before one was: set here. `numbers`: (NUMBERS, n), rounded, NaN missing.
    `codes`: int64 (CODES, n), UNKNOWN missing.
    """
    for k in range(records.size):
        record = records[k]
        numbers[BID, k] = _rounded(record["bid_price"][0], SCALES[BID])
        numbers[ASK, k] = _rounded(record["ask_price"][0], SCALES[ASK])
        numbers[LAST, k] = _rounded(record["last_price"], SCALES[LAST])
        numbers[PRICE, k] = _rounded(record["price"], SCALES[PRICE])
        numbers[IMPLIED_VOL, k] = _rounded(record["implied_vol"], SCALES[IMPLIED_VOL])
        numbers[DELTA, k] = _rounded(record["delta"], SCALES[DELTA])
        numbers[GAMMA, k] = _rounded(record["gamma"], SCALES[GAMMA])
        numbers[THETA, k] = _rounded(record["theta_per_day"], SCALES[THETA])
        numbers[VEGA, k] = _rounded(record["vega_per_vol_point"], SCALES[VEGA])
        numbers[RHO, k] = _rounded(record["rho_per_percent"], SCALES[RHO])
        numbers[VANNA, k] = _rounded(record["vanna"], SCALES[VANNA])
        numbers[VOMMA, k] = _rounded(record["vomma"], SCALES[VOMMA])
        numbers[CHARM, k] = _rounded(record["charm"], SCALES[CHARM])
        codes[TOKEN, k] = record["instrument_token"] if rows[k] >= 0 else UNKNOWN
        codes[STATUS, k], codes[FLAGS, k] = record["status"], record["flags"]
        codes[PRICE_SOURCE, k] = record["price_source"]
        ticked = record["received_at_ns"] > 0
        codes[AT_MS, k] = record["received_at_ns"] // 1_000_000 if ticked else UNKNOWN
        codes[VOLUME, k] = record["volume_traded"] if ticked and record["mode"] != _LTP else UNKNOWN
        codes[OI, k] = codes[OI_CHANGE, k] = UNKNOWN
        if ticked and record["mode"] == _FULL:
            codes[OI, k] = record["oi"]
            if record["received_at_ns"] >= day_start_ns:
                if first_oi[rows[k]] == UNKNOWN:
                    first_oi[rows[k]] = record["oi"]
                codes[OI_CHANGE, k] = np.int64(record["oi"]) - first_oi[rows[k]]


@compiled
def mark_changed(
    numbers: Any, codes: Any, sent_numbers: Any, sent_codes: Any, tolerances: Any, changed: Any
) -> int:
    """Mark the columns' rows that differ from what was sent last; return how many are marked.

    All arrays as in `columns` but with the two sides first: (2, columns, n). `tolerances`:
    (NUMBERS,), a number that moved by no more is the same. A later time of the same is no change.
    """
    count = 0
    for k in range(changed.size):
        differs = False
        for side in range(2):
            for column in range(NUMBERS):
                now, then = numbers[side, column, k], sent_numbers[side, column, k]
                if math.isnan(now) != math.isnan(then) or abs(now - then) > tolerances[column]:
                    differs = True
            for column in range(AT_MS):
                if codes[side, column, k] != sent_codes[side, column, k]:
                    differs = True
        changed[k] = differs
        count += 1 if differs else 0
    return count
