"""What the operator chose for pricing, under an id that every record carries."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

RATE_MIN, RATE_MAX = -0.5, 1.0


class Terms(NamedTuple):
    """What one underlying is priced with, continuous, a year; `id` is in its records."""

    rate: float
    dividend_yield: float
    id: int


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
    carry: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^=/]+=-?[0-9.]+/-?[0-9.]+$", max_length=64)], ...],
        Meta(
            max_length=1024,
            description="underlyings with their own NAME=rate/yield, like RELIANCE=0.06/0.004",
        ),
    ] = ()
    rates_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="TOML file of dated rates, dividend yields by underlying; wins over these",
        ),
    ] = ""
    time_basis: Annotated[
        Literal["calendar", "trading"],
        Meta(description="time that volatility, theta count: all of it, or only what is traded"),
    ] = "calendar"
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

    def __post_init__(self) -> None:
        """Refuse carries that are no numbers, out of bounds, or told twice.

        Raises:
            ValueError: one of them is.
        """
        names = [entry.partition("=")[0] for entry in self.carry]
        if len(set(names)) != len(names):
            raise ValueError(f"carry: an underlying is named twice in {', '.join(names)}")
        for name, (rate, dividend_yield) in self.carries().items():
            if not (RATE_MIN <= rate <= RATE_MAX and RATE_MIN <= dividend_yield <= RATE_MAX):
                raise ValueError(f"carry: {name} is not within {RATE_MIN} and {RATE_MAX}")

    @property
    def changes(self) -> tuple[int, ...]:
        """Return the days, since 1970 in India, from which something else holds, ascending."""
        return ()

    def terms(self, underlying: str, day: int) -> Terms:  # noqa: ARG002  # the same every day
        """Return what an underlying is priced with on a day, in days since 1970 in India."""
        rate, dividend_yield = self.carries().get(underlying, (self.rate, self.dividend_yield))
        return Terms(rate, dividend_yield, self.id)

    def of(self, underlying: str, day: int) -> Parameters:
        """Return the same parameters with an underlying's own terms of a day as the only ones."""
        known = {name: getattr(self, name) for name in Parameters.__struct_fields__}
        terms = self.terms(underlying, day)._asdict()
        return Parameters(**(known | terms | {"carry": (), "rates_file": ""}))

    def carries(self) -> dict[str, tuple[float, float]]:
        """Return rate and dividend yield of the underlyings that have their own."""
        found = {}
        for entry in self.carry:
            name, _, numbers = entry.partition("=")
            rate, _, dividend_yield = numbers.partition("/")
            found[name] = (float(rate), float(dividend_yield))
        return found
