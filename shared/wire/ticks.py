"""The enriched tick record: Kite's facts, our inputs, our results.

Source of the Kite fields: the binary packet layouts of Kite Connect v3's WebSocket documentation.
Greeks are per unit of the forward, whatever the source of the forward; see docs/greeks.md.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np

from shared.wire.layout import Field, Layout

DEPTH_LEVELS = 5


class Status(IntEnum):
    """Why a row has, or has not, an implied volatility; one per row."""

    OK = 0
    NO_PRICE = 10
    BELOW_INTRINSIC = 11
    AT_INTRINSIC = 12
    ABOVE_MAX = 13
    EXPIRED = 20
    BAD_INPUT = 21
    NO_CONVERGENCE = 22
    NO_UNDERLYING = 30
    NOT_AN_OPTION = 31


class Flag(IntFlag):
    """What a consumer should know before using a row; any number per row."""

    SUB_TICK = 1
    PRICE_STALE = 2
    UNDERLYING_STALE = 4
    FROM_OTM_TWIN = 8
    THETA_GT_TIME_VALUE = 16
    WIDE_SPREAD = 32
    ILL_CONDITIONED = 64
    EXPIRY_WINDOW = 128


class TickFlag(IntFlag):
    """What we noticed about the packet itself; REPAIR: made of a quote after a gap."""

    UNKNOWN_INSTRUMENT = 1
    REPEATED = 2
    IMPOSSIBLE_VALUE = 4
    TIME_BACKWARDS = 8
    REPAIR = 16


class Mode(IntEnum):
    """Which kind of packet Kite sent; decided by its length."""

    LTP = 1
    QUOTE = 2
    FULL = 3


class PriceSource(IntEnum):
    """Which price was solved for."""

    NONE = 0
    MID = 1
    LAST = 2


class ForwardSource(IntEnum):
    """Where the forward came from."""

    NONE = 0
    PARITY = 1
    FUTURE = 2
    FUTURE_INTERPOLATED = 3
    SPOT_CARRY = 4


_LINEAGE = (
    Field("received_at_ns", "<u8", "Unix ns, UTC", "when the frame arrived at ingest"),
    Field("raw_entry_ms", "<u8", "ms", "lineage: milliseconds of the raw stream entry's id"),
    Field("raw_entry_sequence", "<u4", "", "lineage: sequence part of the raw stream entry's id"),
    Field("raw_packet_index", "<u4", "", "lineage: which packet of the entry, from 0"),
    Field(
        "fence", "<u4", "", "fencing number of the shard's owner; a lower one than seen is stale"
    ),
    Field("instruments_version", "<u4", "yyyymmddnn", "which instruments the row was looked up in"),
    Field("parameters_id", "<u4", "", "which rates, dividends, price rules were used"),
)

_FACTS = (
    Field("instrument_token", "<u4", "", "Kite's instrument_token"),
    Field(
        "exchange_timestamp_s", "<u4", "Unix s, UTC", "exchange's own stamp, full mode; 0: absent"
    ),
    Field("last_trade_time_s", "<u4", "Unix s, UTC", "last trade, full mode; 0: absent"),
    Field("last_price", "<f8", "rupees", "last traded price; for an index its value"),
    Field("average_price", "<f8", "rupees", "volume weighted average of the day"),
    Field("open", "<f8", "rupees", "the day's first price"),
    Field("high", "<f8", "rupees", "the day's highest price"),
    Field("low", "<f8", "rupees", "the day's lowest price"),
    Field("close", "<f8", "rupees", "previous session's close"),
    Field("last_traded_quantity", "<u4", "units", "size of the last trade"),
    Field("volume_traded", "<u4", "units", "the day's volume"),
    Field("total_buy_quantity", "<u4", "units", "open buy quantity"),
    Field("total_sell_quantity", "<u4", "units", "open sell quantity"),
    Field("oi", "<u4", "units", "open interest"),
    Field("oi_day_high", "<u4", "units", "the day's highest open interest"),
    Field("oi_day_low", "<u4", "units", "the day's lowest open interest"),
    Field("underlying_token", "<u4", "", "instrument_token of the underlying; 0: none known"),
    Field("bid_quantity", "<u4", "units", "five best bids, best first", DEPTH_LEVELS),
    Field("ask_quantity", "<u4", "units", "five best asks, best first", DEPTH_LEVELS),
    Field(
        "bid_price", "<f8", "rupees", "five best bids, best first; NaN: no such level", DEPTH_LEVELS
    ),
    Field(
        "ask_price", "<f8", "rupees", "five best asks, best first; NaN: no such level", DEPTH_LEVELS
    ),
    Field("bid_orders", "<u2", "count", "orders behind the five best bids", DEPTH_LEVELS),
    Field("ask_orders", "<u2", "count", "orders behind the five best asks", DEPTH_LEVELS),
)

_CODES = (
    Field("shard", "<u2", "", "which shard the instrument belongs to"),
    Field("mode", "|u1", "", "1 ltp, 2 quote, 3 full: what Kite sent"),
    Field("tick_flags", "|u1", "", "bits of TickFlag"),
    Field("status", "|u1", "", "code of Status; anything but 0 means the Greeks are NaN"),
    Field("flags", "|u1", "", "bits of Flag"),
    Field("price_source", "|u1", "", "code of PriceSource"),
    Field("forward_source", "|u1", "", "code of ForwardSource"),
    Field("forward_age_ms", "<u4", "ms", "age of the forward's inputs at this tick"),
)

_INPUTS = (
    Field("price", "<f8", "rupees", "the price that was solved for"),
    Field("underlying_price", "<f8", "rupees", "last price of the underlying"),
    Field("forward", "<f8", "rupees", "price for delivery at expiry"),
    Field(
        "time_to_expiry",
        "<f8",
        "years of 365 days",
        "to the expiry moment, from the tick's stamp; or trading years, as chosen",
    ),
)

_RESULTS = (
    Field("implied_vol", "<f8", "fraction a year", "annualised, Act/365"),
    Field("mid_price", "<f8", "rupees", "middle of best bid and ask; NaN: one-sided book"),
    Field("micro_price", "<f8", "rupees", "best bid and ask weighted by the opposite quantity"),
    Field("delta", "<f4", "rupees per rupee", "change of value per unit of the forward"),
    Field("gamma", "<f4", "1 / rupee", "change of delta per unit of the forward"),
    Field("theta_per_day", "<f4", "rupees a calendar day", "instantaneous decay"),
    Field("vega_per_vol_point", "<f4", "rupees", "per 0.01 of implied_vol"),
    Field("rho_per_percent", "<f4", "rupees", "per 0.01 of the rate, forward held"),
    Field("vanna", "<f4", "1 / vol point", "delta per 0.01 of implied_vol"),
    Field("vomma", "<f4", "rupees / vol point", "vega_per_vol_point per 0.01 of implied_vol"),
    Field("charm", "<f4", "1 / day", "delta per calendar day"),
    Field("intrinsic_value", "<f4", "rupees", "discounted, at the forward"),
    Field("time_value", "<f4", "rupees", "price less intrinsic_value"),
    Field("iv_tick", "<f4", "vol points", "width in implied volatility of one price tick: quality"),
    Field("spread", "<f4", "rupees", "best ask less best bid; NaN: one-sided book"),
    Field("imbalance", "<f4", "ratio", "(bids - asks) / (bids + asks), five levels, -1 to 1"),
    Field("lot_size", "<u4", "units", "contract size; Greeks are per unit, not per lot"),
)

TICK = Layout(
    name="tick",
    version=1,
    fields=_LINEAGE + _FACTS + _CODES + _INPUTS + _RESULTS,
    meaning="one decoded tick with its Greeks; missing numbers are NaN",
)

TICK_DTYPE: np.dtype[np.void] = TICK.dtype

_HEADER_FIELDS = (
    Field("account", "|S16", "", "account id whose socket received the frames, NUL padded"),
    Field("sequence", "<u8", "", "counts this writer's entries of this shard, from 0"),
    Field("packets", "<u4", "count", "Kite packets in the entry's segments"),
    Field("instruments_version", "<u4", "yyyymmddnn", "instruments that routed the packets"),
    Field("shard", "<u2", "", "which shard"),
    Field(
        "socket", "<u2", "", "which socket; 65535: several joined, 65534: no socket but a repair"
    ),
    Field("epoch", "<u4", "Unix s", "start of the writer; a new one begins at sequence 0"),
)

RAW_HEADER = Layout(
    name="raw_header",
    version=1,
    fields=_HEADER_FIELDS,
    meaning="field `h` of an entry of ticks.raw.v1; field `s` holds the segments",
)
RAW_HEADER_DTYPE: np.dtype[np.void] = RAW_HEADER.dtype

SOCKET_SEVERAL = 65535
#: Packets made of REST quotes after a gap, in entries of their own with a count of their own:
#: `sequence` goes on from the last entry of the same account, epoch and shard with this socket.
SOCKET_REPAIR = 65534

BATCH_HEADER = Layout(
    name="batch_header",
    version=1,
    fields=(
        Field("sequence", "<u8", "", "counts this owner's entries of this shard, from 0"),
        Field("records", "<u4", "count", "records in field `r`"),
        Field("fence", "<u4", "", "fencing number of the shard's owner"),
        Field("shard", "<u2", "", "which shard"),
        Field("layout_version", "<u2", "", "version of the tick layout in field `r`"),
        Field("record_bytes", "<u4", "bytes", "size of one record"),
    ),
    meaning="field `h` of an entry of ticks.enriched.v1; field `r` holds the records",
)
BATCH_HEADER_DTYPE: np.dtype[np.void] = BATCH_HEADER.dtype
