"""What the operator chose for pricing, under an id that every record carries."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter set; give a changed set another id, so that old records stay explained."""

    id: Annotated[int, Meta(ge=0, le=4_294_967_295, description="in every record")] = 1
    rate: Annotated[
        float,
        Meta(
            ge=-0.5,
            le=1.0,
            description="continuous, a year; 91-day treasury bill 5.3 to 5.5 %, Feb 2026",
        ),
    ] = 0.054
    dividend_yield: Annotated[
        float,
        Meta(ge=-0.5, le=1.0, description="continuous, a year; only for forwards from spot"),
    ] = 0.012
    price_input: Annotated[
        Literal["mid", "last"], Meta(description="mid of a sane book before the last trade, or not")
    ] = "mid"
    twin_for_itm: Annotated[
        bool,
        Meta(description="in the money without a fit price: volatility of the strike's other side"),
    ] = True
    parity_age_max_s: Annotated[
        float, Meta(gt=0, le=600, description="older quotes give no forward")
    ] = 5.0
    parity_refresh_s: Annotated[
        float, Meta(ge=0, le=60, description="tick time between two looks at parity")
    ] = 0.25
    underlying_age_max_s: Annotated[
        float, Meta(gt=0, le=600, description="older: flag UNDERLYING_STALE")
    ] = 2.0
    last_trade_age_max_s: Annotated[
        float, Meta(gt=0, le=86_400, description="older: flag PRICE_STALE")
    ] = 30.0
    expiry_window_s: Annotated[
        float, Meta(ge=0, le=86_400, description="before expiry: flag EXPIRY_WINDOW")
    ] = 1_800.0
    spread_floor_rupees: Annotated[
        float, Meta(ge=0, le=1_000, description="a spread up to this is always sane")
    ] = 0.10
    spread_ratio_max: Annotated[
        float, Meta(gt=0, le=2, description="sane spread over middle price")
    ] = 0.25
    parity_spread_ratio_max: Annotated[
        float, Meta(gt=0, le=1, description="spreads of a pair over its straddle, for parity")
    ] = 0.02
