"""What every listed instrument is worth, from spot prices plus a smile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.sandbox.black76 import black_price
from deploy.sandbox.contracts import Kind, Listing
from deploy.sandbox.smile import SECONDS_PER_YEAR, SmileShape, smile_vol
from deploy.sandbox.underlyings import Asset

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Yearly rate, continuous, at which option prices are discounted.
RATE = 0.065
BASIS_SPREAD = 0.004
LEAN = -0.35
WINGS = 0.11
PAISE_PER_RUPEE = 100


@dataclass(frozen=True, slots=True)
class Surface:
    """One value per expiry group: yearly growth of the forward, instant in seconds, smile."""

    carry: Floats
    expiry_s: Floats
    shape: SmileShape


@dataclass(frozen=True, slots=True)
class Worth:
    """Exact values in rupees: `price` per row, `vol` per option row, the rest per group."""

    price: Floats
    vol: Floats
    forward: Floats
    time_to_expiry: Floats


def draw_surface(listing: Listing, assets: Sequence[Asset], seed: int) -> Surface:
    """Return the surface of `seed`; a group's part depends only on its underlying with its date."""
    carry, at_the_money, lean, wings = [], [], [], []
    for group in listing.groups:
        terms = assets[group.asset].derivatives
        assert terms is not None
        random = np.random.default_rng([seed, group.asset, group.expiry.day.toordinal()])
        carry.append(terms.carry + BASIS_SPREAD * random.uniform(-1.0, 1.0))
        at_the_money.append(terms.at_the_money_vol * random.uniform(0.97, 1.03))
        lean.append(LEAN * random.uniform(0.8, 1.2))
        wings.append(WINGS * random.uniform(0.9, 1.1))
    return Surface(
        carry=np.array(carry),
        expiry_s=np.array([group.expiry.instant_s() for group in listing.groups], dtype=float),
        shape=SmileShape(np.array(at_the_money), np.array(lean), np.array(wings)),
    )


def price_all(
    listing: Listing, surface: Surface, spot: Floats, level: float, stamp_s: int
) -> Worth:
    """Return exact prices at the exchange's second `stamp_s`; `spot` is per asset in rupees."""
    group_asset = np.array([group.asset for group in listing.groups], dtype=np.int64)
    time_to_expiry = np.maximum(surface.expiry_s - stamp_s, 0.0) / SECONDS_PER_YEAR
    forward = spot[group_asset] * np.exp(surface.carry * time_to_expiry)
    price = spot[listing.asset].copy()
    future = listing.kind == Kind.FUTURE
    price[future] = forward[listing.group[future]]
    first = option_start(listing)
    group = listing.group[first:]
    shape = SmileShape(
        surface.shape.at_the_money[group], surface.shape.lean[group], surface.shape.wings[group]
    )
    strike, years = listing.strike[first:], time_to_expiry[group]
    vol = smile_vol(strike, forward[group], years, shape, level)
    call, put = black_price(forward[group], strike, years, vol, RATE)
    price[first:] = np.where(listing.kind[first:] == Kind.CALL, call, put)
    return Worth(price, vol, forward, time_to_expiry)


def option_start(listing: Listing) -> int:
    """Return the first row that is an option; every row from there on is one."""
    return int(np.searchsorted(np.minimum(listing.kind, Kind.CALL), Kind.CALL))


def to_ticks(price: Floats, tick_paise: Integers) -> Integers:
    """Return prices in paise on their ticks, one tick at the least."""
    ticks = np.maximum(np.rint(price * PAISE_PER_RUPEE / tick_paise), 1.0)
    return np.asarray(ticks.astype(np.int64) * tick_paise, dtype=np.int64)
