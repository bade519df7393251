"""What one decoded tick means: its instrument's state, its price, an option's inputs."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from enrich.kernels.forward import (
    SOURCE_NONE,
    SOURCE_PARITY,
    YEAR_NS,
    measure_carry,
    refresh_forward,
    volatility_years,
)
from enrich.kernels.jit import compiled, inlined
from enrich.kernels.price import book_figures, choose_price, is_sane
from enrich.kernels.sanity import BACKWARDS_HELD_NS, is_impossible
from enrich.kernels.status import (
    BAD_INPUT,
    EXPIRED,
    FLAG_EXPIRY_WINDOW,
    FLAG_FROM_OTM_TWIN,
    FLAG_PRICE_STALE,
    FLAG_UNDERLYING_STALE,
    FLAG_WIDE_SPREAD,
    NO_PRICE,
    NO_UNDERLYING,
    NOT_AN_OPTION,
)

_SECOND_NS: Final = 1_000_000_000
#: Kinds of shared.wire.instruments: a future, then from CALL on the options.
FUTURE: Final = 2
CALL: Final = 3
_UNSOLVABLE: Final = -1.0
REPEATED: Final = 2
IMPOSSIBLE_VALUE: Final = 4
TIME_BACKWARDS: Final = 8
#: A tick with one of these is no newer knowledge: the record goes out, nothing remembers it.
KEPT_OUT: Final = IMPOSSIBLE_VALUE | TIME_BACKWARDS


@inlined
def clear_results(record: Any) -> None:
    """Set every result to NaN; the numbers of a row that is not solved stay so."""
    record["price"] = record["underlying_price"] = record["forward"] = math.nan
    record["time_to_expiry"] = record["implied_vol"] = math.nan
    record["delta"] = record["gamma"] = record["theta_per_day"] = math.nan
    record["vega_per_vol_point"] = record["rho_per_percent"] = math.nan
    record["vanna"] = record["vomma"] = record["charm"] = math.nan
    record["intrinsic_value"] = record["time_value"] = record["iv_tick"] = math.nan
    record["flags"] = record["tick_flags"] = 0
    record["price_source"] = record["forward_source"] = 0
    record["forward_age_ms"] = record["underlying_token"] = 0
    record["lot_size"] = record["shard"] = 0
    record["status"] = NOT_AN_OPTION


@inlined
def write_lineage(record: Any, received_at_ns: Any, packet: int, lineage: Any) -> None:
    """Write where the tick came from, for whom it is enriched."""
    record["received_at_ns"] = received_at_ns
    record["raw_entry_ms"] = lineage["raw_entry_ms"]
    record["raw_entry_sequence"] = lineage["raw_entry_sequence"]
    record["raw_packet_index"] = packet
    record["fence"] = lineage["fence"]
    record["instruments_version"] = lineage["instruments_version"]
    record["parameters_id"] = lineage["parameters_id"]


@inlined
def _mark(record: Any) -> int:
    """Return a digest of the last price with the best level, to tell a repeat from a change."""
    digest = np.uint32(record["bid_quantity"][0]) ^ (np.uint32(record["ask_quantity"][0]) << 1)
    digest ^= np.uint32(np.int64(record["last_price"] * 100.0))
    digest ^= np.uint32(record["oi"]) ^ np.uint32(record["total_buy_quantity"])
    return int(np.uint32(digest ^ np.uint32(record["total_sell_quantity"])))


@inlined
def is_backwards(stamp: Any, received_at_ns: Any, state: Any) -> bool:
    """Say whether the exchange's stamp lies before one that is believed.

    A stamp ahead of our own clock, or one that held newer ticks off for long, is not believed:
    else a single wild stamp would silence an instrument.
    """
    believed: Any = np.int64(state["exchange_timestamp_s"])
    if stamp >= believed:
        return False
    if believed * _SECOND_NS > received_at_ns + BACKWARDS_HELD_NS:
        return False
    return bool(abs(received_at_ns - state["received_at_ns"]) <= BACKWARDS_HELD_NS)


@inlined
def write_facts(record: Any, state: Any) -> None:
    """Write what the instrument is."""
    record["underlying_token"], record["lot_size"] = state["underlying_token"], state["lot_size"]
    record["shard"] = state["shard"]


@compiled
def follow(record: Any, state: Any, tick_order: int, parameters: Any) -> None:
    """Choose the price, write the book's figures; remember both unless the tick is an older one."""
    bid, ask = record["bid_price"][0], record["ask_price"][0]
    stamp, traded = record["exchange_timestamp_s"], record["last_trade_time_s"]
    trade_age_s: Any = np.int64(stamp) - np.int64(traded) if stamp > 0 and traded > 0 else 0
    price, source, flags = choose_price(
        bid, ask, record["last_price"], trade_age_s, state["tick_size"], parameters
    )
    book_figures(record)
    record["price"] = price if price > 0.0 else math.nan
    record["price_source"], record["flags"] = source, flags
    write_facts(record, state)
    mark = _mark(record)
    if stamp > 0:
        if is_backwards(np.int64(stamp), np.int64(record["received_at_ns"]), state):
            record["tick_flags"] |= TIME_BACKWARDS
            return
        same = stamp == state["exchange_timestamp_s"] and mark == state["book_mark"]
        if same and record["volume_traded"] == state["volume_traded"]:
            record["tick_flags"] |= REPEATED
    if state["kind"] >= CALL or price != state["price"] or state["received_at_ns"] == 0:
        state["order"] = tick_order
    sane = is_sane(bid, ask, parameters["spread_floor"], parameters["spread_ratio_max"])
    state["sane"] = 1 if sane else 0
    state["spread"] = ask - bid if sane else 0.0
    state["price"], state["last_price"] = price, record["last_price"]
    state["received_at_ns"] = record["received_at_ns"]
    state["price_source"], state["price_flags"] = source, flags
    if stamp > 0:
        state["exchange_timestamp_s"] = stamp
    state["last_trade_time_s"], state["volume_traded"] = traded, record["volume_traded"]
    state["book_mark"] = mark


@inlined
def take_from_twin(record: Any, state: Any, states: Any, intrinsic: float, parameters: Any) -> None:
    """Give an option in the money the volatility of its twin where its own price has none.

    By parity the twin's price plus intrinsic value is this option's price at the twin's volatility.
    Own price fit: there, no stale trade, at least half a tick above intrinsic value. Twin fit: the
    middle or a trade beside a sane book, no older than a quote of parity may be.
    """
    own_fits = record["price"] - intrinsic >= 0.5 * state["tick_size"]
    if own_fits and record["flags"] & FLAG_PRICE_STALE == 0:
        return
    row = state["twin"]
    if row < 0 or states[row]["sane"] == 0 or not states[row]["price"] > 0.0:
        return
    age_ns = np.int64(record["received_at_ns"]) - states[row]["received_at_ns"]
    if age_ns > parameters["parity_age_max_ns"] or states[row]["price_flags"] != 0:
        return
    record["price"] = states[row]["price"] + intrinsic
    record["price_source"] = states[row]["price_source"]
    record["flags"] &= ~(FLAG_PRICE_STALE | FLAG_WIDE_SPREAD)
    record["flags"] |= FLAG_FROM_OTM_TWIN


@compiled
def prepare_option(
    record: Any, state: Any, group: Any, states: Any, remaining_ns: int, parameters: Any
) -> float:
    """Write the inputs of one option row; return the calendar years to solve it with.

    Negative: it cannot be solved, its status says why.
    """
    if state["underlying"] >= 0 and states[state["underlying"]]["last_price"] > 0.0:
        record["underlying_price"] = states[state["underlying"]]["last_price"]
    years = max(0.0, remaining_ns / YEAR_NS)
    record["time_to_expiry"] = volatility_years(group, years)
    if remaining_ns <= 0:
        record["status"] = EXPIRED
        return _UNSOLVABLE
    if remaining_ns <= parameters["expiry_window_ns"]:
        record["flags"] |= FLAG_EXPIRY_WINDOW
    if group["source"] == SOURCE_NONE:
        record["status"] = NO_UNDERLYING
        return _UNSOLVABLE
    record["forward"], record["forward_source"] = group["forward"], group["source"]
    record["forward_age_ms"] = group["age_ms"]
    reference = states[group["reference"]]
    age_ns = np.int64(record["received_at_ns"]) - reference["received_at_ns"]
    if age_ns > parameters["underlying_age_max_ns"] and group["source"] != SOURCE_PARITY:
        record["flags"] |= FLAG_UNDERLYING_STALE
    sign = 1.0 if state["kind"] == CALL else -1.0
    discount = math.exp(-group["rate"] * years)
    intrinsic = max(0.0, sign * (group["forward"] - state["strike"])) * discount
    record["intrinsic_value"] = intrinsic
    if intrinsic > 0.0 and parameters["twin_for_itm"] != 0:
        take_from_twin(record, state, states, intrinsic, parameters)
    if not record["price"] > 0.0:
        record["status"] = NO_PRICE
        return _UNSOLVABLE
    record["time_value"] = record["price"] - intrinsic
    return years


@compiled
def enrich_tick(
    record: Any, index: Any, tables: Any, parity: Any, tick_order: int, parameters: Any
) -> float:
    """Take one decoded tick of a known instrument; return the years to solve its row with.

    Calendar years; negative: it is not to be solved.
    """
    states, groups, strikes = tables
    state = states[index]
    state["packets"] += 1
    if is_impossible(record, state["kind"]):
        record["tick_flags"] |= IMPOSSIBLE_VALUE
        write_facts(record, state)
        book_figures(record)
        if state["kind"] >= CALL:
            record["status"] = BAD_INPUT
        return _UNSOLVABLE
    follow(record, state, tick_order, parameters)
    now_ns: Any = np.int64(record["received_at_ns"])
    if state["kind"] < CALL:
        if state["kind"] == FUTURE and record["tick_flags"] & TIME_BACKWARDS == 0:
            measure_carry(state, states, now_ns, parameters["parity_age_max_ns"])
        return _UNSOLVABLE
    group = groups[state["group"]]
    record["parameters_id"] = group["parameters_id"]
    stamp_ns: Any = np.int64(record["exchange_timestamp_s"]) * _SECOND_NS
    remaining_ns: Any = group["expiry_ns"] - (stamp_ns if stamp_ns > 0 else now_ns)
    refresh_forward(group, states, strikes, now_ns, remaining_ns, parameters, parity)
    return float(prepare_option(record, state, group, states, remaining_ns, parameters))
