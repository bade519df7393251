"""An option chain as a message: one underlying, one expiry, one moment."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from shared.wire.layout import Field, Layout

#: Strikes of one message, the nearest to the money; 400 make about 150 kB.
STRIKES_MAX = 400

Numbers = Annotated[list[float | None], Meta(max_length=STRIKES_MAX)]
Whole = Annotated[list[int | None], Meta(max_length=STRIKES_MAX)]
Text = Annotated[str, Meta(max_length=40)]


class ChainSide(msgspec.Struct, frozen=True, kw_only=True):
    """The calls, or the puts, of the message's strikes: one list per field, null where unknown.

    Fields are those of the tick record; `oi_change` is since the day's first seen, `at_ms` the
    receive time of the option's newest tick in Unix milliseconds.
    """

    instrument_token: Whole
    bid: Numbers
    ask: Numbers
    last: Numbers
    price: Numbers
    implied_vol: Numbers
    delta: Numbers
    gamma: Numbers
    theta_per_day: Numbers
    vega_per_vol_point: Numbers
    rho_per_percent: Numbers
    vanna: Numbers
    vomma: Numbers
    charm: Numbers
    status: Whole
    flags: Whole
    price_source: Whole
    oi: Whole
    oi_change: Whole
    volume: Whole
    at_ms: Whole


class ChainSmile(msgspec.Struct, frozen=True, kw_only=True):
    """A curve through the out-of-the-money volatilities.

    `svi`: raw SVI `a, b, rho, m, sigma` of total variance in k = ln(strike / forward), free of
    butterfly arbitrage from `low` to `high` with half their distance beyond. `quadratic`: `c0, c1,
    c2` of volatility in k, not checked. `none`: fewer than three volatilities, or no curve.
    """

    kind: Literal["svi", "quadratic", "none"]
    parameters: Annotated[list[float], Meta(max_length=5)] = []
    points: int = 0
    rmse: float | None = None
    worst: float | None = None
    butterfly_min: float | None = None
    low: float | None = None
    high: float | None = None


class ChainFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole chain says, in every message, null where it does not say it.

    Skew is put less call volatility at 25 delta. Exposure is gamma times open interest times
    F^2 / 100, in rupees of delta per 1 % move; net counts calls up, puts down. `carry` is
    ln(forward / underlying) over the time to expiry.
    """

    underlying_price: float | None
    forward: float | None
    forward_source: int
    forward_age_ms: int
    time_to_expiry: float
    rate: float
    basis: float | None
    carry: float | None
    atm_vol: float | None
    atm_strike: float | None
    straddle: float | None
    call_25_delta_vol: float | None
    put_25_delta_vol: float | None
    skew_25_delta: float | None
    butterfly_25_delta: float | None
    pcr_oi: float | None
    pcr_volume: float | None
    max_pain: float | None
    call_oi: float | None
    put_oi: float | None
    call_volume: float | None
    put_volume: float | None
    call_gamma_exposure: float | None
    put_gamma_exposure: float | None
    net_gamma_exposure: float | None


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """A chain as of `at_us`, Unix microseconds in receive time.

    `snapshot` carries every strike, `delta` the rows that differ from what was sent of them last;
    `figures` and `smile` are complete in both. `sequence` counts the messages of one (underlying,
    exchange, expiry) from 0 under one `fence`: where it skips, or the fence is another, wait for
    the next snapshot.
    """

    kind: Literal["snapshot", "delta"]
    underlying: Text
    exchange: Text
    expiry: Text
    sequence: int
    fence: int
    shard: int
    at_us: int
    ticked_us: int
    instruments_version: int
    parameters_id: int
    lot_size: int
    strikes: Annotated[list[float], Meta(max_length=STRIKES_MAX)]
    strikes_left_out: int
    smile_vol: Numbers
    calls: ChainSide
    puts: ChainSide
    figures: ChainFigures
    smile: ChainSmile


OPENING_OI = Layout(
    name="opening_oi",
    version=1,
    fields=(
        Field("instrument_token", "<u4", "", "Kite's instrument_token of an option"),
        Field(
            "oi", "<u4", "units", "the first open interest seen that day; `oi_change` is from it"
        ),
        Field("day", "<u4", "days", "the day in India, counted from 1 January 1970"),
    ),
    meaning="from which open interest a chain's row counts its change",
)
OPENING_OI_DTYPE: np.dtype[np.void] = OPENING_OI.dtype
