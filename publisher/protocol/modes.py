"""What a tick may carry: the modes, their fields, the formats."""

from __future__ import annotations

from typing import Literal

from shared.wire.ticks import TICK

ModeName = Literal["ltp", "quote", "full", "greeks"]
MODES: tuple[ModeName, ...] = ("ltp", "quote", "full", "greeks")

#: Those whose numbers are the exchange's, of few digits, and none of depth.
DECIMAL_MODES: frozenset[ModeName] = frozenset({"ltp", "quote"})

FormatName = Literal["json", "msgpack", "raw"]

_LTP = ("instrument_token", "last_price", "exchange_timestamp_s", "mode", "tick_flags")
_QUOTE = (
    "last_trade_time_s", "average_price", "open", "high", "low", "close",
    "last_traded_quantity", "volume_traded", "total_buy_quantity", "total_sell_quantity",
    "oi", "mid_price", "spread",
)  # fmt: skip
_GREEKS = (
    "underlying_token", "status", "flags", "price_source", "forward_source", "forward_age_ms",
    "price", "underlying_price", "forward", "time_to_expiry", "implied_vol", "mid_price",
    "delta", "gamma", "theta_per_day", "vega_per_vol_point", "rho_per_percent",
    "vanna", "vomma", "charm", "intrinsic_value", "time_value", "iv_tick", "lot_size",
)  # fmt: skip
MODE_FIELDS: dict[ModeName, tuple[str, ...]] = {
    "ltp": _LTP,
    "quote": _LTP + _QUOTE,
    "greeks": _LTP + _GREEKS,
    "full": tuple(field.name for field in TICK.fields if field.name != "received_at_ns"),
}
