"""The simulated market: one state per instrument, moved a step at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from deploy.sandbox.contracts import Contract, Listing, TokenRegistry, list_contracts
from deploy.sandbox.depth import LEVELS, draw_depth
from deploy.sandbox.expiry_calendar import date_in_india
from deploy.sandbox.matching import Book, Rung
from deploy.sandbox.packets import INTEGER_MAX, Columns
from deploy.sandbox.pricing import (
    PAISE_PER_RUPEE,
    Surface,
    Worth,
    draw_surface,
    option_start,
    price_all,
    to_ticks,
)
from deploy.sandbox.underlyings import ASSETS, VIX_BASE, VIX_NAME
from deploy.sandbox.walk import WalkTerms, advance

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OVERNIGHT_S = 63_300  # from 15:40 one day to 09:15 the next
TRADES_WITHOUT_A_MOVE = 0.08
LOTS_PER_TRADE_MAX = 12
OPENING_LOTS_MAX = 4_000
OPEN_INTEREST_LOTS_MAX = 40_000
TOTAL_TO_DEPTH = 6
SPOT_DECIMALS = 2
_VIX = next(number for number, asset in enumerate(ASSETS) if asset.name == VIX_NAME)


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What a market is made from; `step_s` is the trading time one step stands for."""

    seed: int
    strikes_each_side: int
    step_s: float


class Market:
    """Holds the listing, the prices and the books; knows the time only as an argument."""

    def __init__(self, terms: MarketTerms, now_s: int) -> None:
        self._terms = terms
        self._walk_random = np.random.default_rng([terms.seed, 1])
        self._trade_random = np.random.default_rng([terms.seed, 2])
        start = np.random.default_rng([terms.seed, 3])
        base = np.array([asset.spot for asset in ASSETS])
        vol = np.array([asset.vol for asset in ASSETS])
        gap = vol / np.sqrt(252.0) * start.standard_normal((2, base.size)) * 0.5
        self._closing_spot = np.round(base * np.exp(gap[0]), SPOT_DECIMALS)
        self._spot = self._closing_spot * np.exp(gap[1])
        self._walk = WalkTerms(self._spot.copy(), vol)
        self._registry = TokenRegistry()
        self._pins: dict[int, int] = {}
        self._frozen_at_s: int | None = None
        self.steps = 0
        self.version = 0
        self.day = date_in_india(now_s)
        self.listing = self._list(now_s)
        self._surface: Surface = draw_surface(self.listing, ASSETS, terms.seed)
        self.worth: Worth = self._price(now_s)
        self.priced_at_s = now_s
        self.columns = self._open(now_s)

    @property
    def frozen(self) -> bool:
        """Say whether prices and the exchange's clock stand still."""
        return self._frozen_at_s is not None

    @property
    def volatility_level(self) -> float:
        """Return the factor on every smile, which India VIX carries."""
        return float(self._spot[_VIX] / VIX_BASE)

    @property
    def surface(self) -> Surface:
        """Return the carry with the smile of each expiry group."""
        return self._surface

    def stamp_s(self, now_s: int) -> int:
        """Return the exchange timestamp of a packet made now: the pinned one while frozen."""
        return now_s if self._frozen_at_s is None else self._frozen_at_s

    def spot(self, asset: int) -> float:
        """Return an asset's price in rupees as everything is priced from it, on its tick."""
        return float(self._rounded_spot()[asset])

    def anchor(self, asset: int) -> float:
        """Return the price in rupees an asset is pulled back to."""
        return float(self._walk.anchor[asset])

    def step(self, now_s: int) -> Mask:
        """Move the market one step; return which rows of the (possibly new) listing changed."""
        self.steps += 1
        if not self.frozen:
            self._roll(now_s)
            self._spot = advance(self._spot, self._walk, self._terms.step_s, self._walk_random)
        return self._settle(now_s, traded=not self.frozen)

    def freeze(self, now_s: int, *, frozen: bool) -> Mask:
        """Stop or restart the market; a stop pins the exchange timestamp to `now_s`."""
        if frozen and self._frozen_at_s is None:
            self._frozen_at_s = now_s
        elif not frozen:
            self._frozen_at_s = None
        return self._settle(now_s, traded=False)

    def set_spot(self, asset: int, rupees: float, now_s: int) -> Mask:
        """Put an asset's price where it is told; it wanders on from there."""
        self._spot[asset] = rupees
        self._walk.anchor[asset] = rupees
        return self._settle(now_s, traded=False)

    def pin(self, row: int, paise: int | None, now_s: int) -> Mask:
        """Hold one instrument at a price, or let it go with None."""
        token = self.listing.contracts[row].token
        if paise is None:
            self._pins.pop(token, None)
        else:
            self._pins[token] = paise
        return self._settle(now_s, traded=False)

    def book(self, row: int) -> Book:
        """Return one instrument's book, empty rungs left out."""
        columns = self.columns
        prices = columns.depth_price[row].tolist()
        quantities = columns.depth_quantity[row].tolist()
        rungs = [Rung(price, size) for price, size in zip(prices, quantities, strict=True)]
        return Book(
            bids=tuple(rung for rung in rungs[:LEVELS] if rung.quantity),
            asks=tuple(rung for rung in rungs[LEVELS:] if rung.quantity),
            last=int(columns.last[row]),
            tick=self.listing.contracts[row].tick_paise,
        )

    def contract(self, exchange: str, symbol: str) -> tuple[int, Contract] | None:
        """Return the row with the contract of a symbol, None when it is not listed."""
        row = self.listing.row_of_key.get(f"{exchange}:{symbol}")
        return None if row is None else (row, self.listing.contracts[row])

    def _list(self, now_s: int) -> Listing:
        centres = [float(price) for price in self._walk.anchor]
        return list_contracts(ASSETS, centres, self._terms.strikes_each_side, now_s, self._registry)

    def _rounded_spot(self) -> Floats:
        ticks = np.array([asset.tick_paise for asset in ASSETS], dtype=np.int64)
        return to_ticks(self._spot, ticks) / PAISE_PER_RUPEE

    def _price(self, stamp_s: int) -> Worth:
        return price_all(
            self.listing, self._surface, self._rounded_spot(), self.volatility_level, stamp_s
        )

    def _roll(self, now_s: int) -> None:
        """Drop what expired, list what comes next, begin a new day where the date changed."""
        expired = bool((self._surface.expiry_s <= now_s).any())
        today = date_in_india(now_s)
        if today == self.day and not expired:
            return
        before, columns = self.listing, self.columns
        if today != self.day:
            self._closing_spot = self._rounded_spot()
        self.listing = self._list(now_s)
        self._surface = draw_surface(self.listing, ASSETS, self._terms.seed)
        self.worth = self._price(now_s)
        fresh = self._open(now_s)
        if today == self.day:
            _carry_over(before, columns, self.listing, fresh)
        self.columns, self.day = fresh, today

    def _settle(self, now_s: int, *, traded: bool) -> Mask:
        """Reprice everything at the stamp of now; return which rows differ or traded."""
        stamp_s = self.stamp_s(now_s)
        self.worth = self._price(stamp_s)
        self.priced_at_s = stamp_s
        last = to_ticks(self.worth.price, self.listing.tick_paise)
        for token, paise in self._pins.items():
            row = self.listing.row_of_token.get(token)
            if row is not None:
                last[row] = paise
        columns = self.columns
        moved = last != columns.last
        trades: Mask = np.asarray(moved)
        if traded:
            trades = trades | (self._trade_random.random(last.size) < TRADES_WITHOUT_A_MOVE)
        columns.last = last
        columns.high = np.maximum(columns.high, last)
        columns.low = np.minimum(columns.low, last)
        self._trade(trades, stamp_s)
        self.version += 1
        if self.frozen:
            columns.timestamp[:] = stamp_s
            return np.ones(last.size, dtype=np.bool_)
        return trades

    def _trade(self, trades: Mask, stamp_s: int) -> None:
        rows = np.flatnonzero(trades)
        columns, random = self.columns, self._trade_random
        columns.timestamp[rows] = stamp_s
        rows = rows[self.listing.lot_size[rows] > 0]
        lot = self.listing.lot_size[rows]
        quantity = lot * random.integers(1, LOTS_PER_TRADE_MAX, rows.size)
        columns.last_quantity[rows] = quantity
        columns.turnover[rows] += quantity * columns.last[rows].astype(np.float64)
        columns.volume[rows] = np.minimum(columns.volume[rows] + quantity, INTEGER_MAX)
        columns.average[rows] = np.rint(columns.turnover[rows] / columns.volume[rows])
        columns.last_trade_time[rows] = stamp_s
        derivative = rows[self.listing.group[rows] >= 0]
        change = random.integers(-LOTS_PER_TRADE_MAX, LOTS_PER_TRADE_MAX + 1, derivative.size)
        oi = columns.oi[derivative] + change * self.listing.lot_size[derivative]
        columns.oi[derivative] = np.clip(oi, 0, INTEGER_MAX)
        columns.oi_high = np.maximum(columns.oi_high, columns.oi)
        columns.oi_low = np.minimum(columns.oi_low, columns.oi)
        self._quote(rows)

    def _quote(self, rows: npt.NDArray[np.int64]) -> None:
        columns, listing = self.columns, self.listing
        depth = draw_depth(
            columns.last[rows], listing.tick_paise[rows], listing.lot_size[rows], self._trade_random
        )
        columns.depth_price[rows] = depth.price
        columns.depth_quantity[rows] = depth.quantity
        columns.depth_orders[rows] = depth.orders
        columns.total_buy[rows] = depth.quantity[:, :LEVELS].sum(axis=1) * TOTAL_TO_DEPTH
        columns.total_sell[rows] = depth.quantity[:, LEVELS:].sum(axis=1) * TOTAL_TO_DEPTH

    def _open(self, now_s: int) -> Columns:
        """Return the columns of a day that begins now, closes taken from the evening before."""
        listing, random = self.listing, self._trade_random
        closing = price_all(
            listing, self._surface, self._closing_spot, self.volatility_level, now_s - OVERNIGHT_S
        )
        last = to_ticks(self.worth.price, listing.tick_paise)
        count = last.size
        lot = listing.lot_size
        volume = lot * random.integers(100, OPENING_LOTS_MAX, count)
        oi = lot * random.integers(100, OPEN_INTEREST_LOTS_MAX, count)
        oi[: option_start(listing)][listing.group[: option_start(listing)] < 0] = 0
        zeros = np.zeros(count, dtype=np.int64)
        rungs = np.zeros((count, 2 * LEVELS), dtype=np.int64)
        self.columns = Columns(
            token=listing.token,
            last=last,
            last_quantity=lot.copy(),
            average=last.copy(),
            volume=volume,
            turnover=(volume * last).astype(np.float64),
            total_buy=zeros.copy(),
            total_sell=zeros.copy(),
            open=last.copy(),
            high=last.copy(),
            low=last.copy(),
            close=to_ticks(closing.price, listing.tick_paise),
            last_trade_time=np.full(count, now_s, dtype=np.int64),
            oi=oi,
            oi_high=oi.copy(),
            oi_low=oi.copy(),
            timestamp=np.full(count, now_s, dtype=np.int64),
            depth_quantity=rungs.copy(),
            depth_price=rungs.copy(),
            depth_orders=rungs,
        )
        self._quote(np.flatnonzero(lot > 0))
        return self.columns


def _carry_over(before: Listing, old: Columns, after: Listing, fresh: Columns) -> None:
    """Copy the day so far of every contract that is still listed."""
    kept = [(row, before.row_of_token.get(token)) for token, row in after.row_of_token.items()]
    to = np.array([row for row, found in kept if found is not None], dtype=np.int64)
    source = np.array([found for _, found in kept if found is not None], dtype=np.int64)
    for column in fields(Columns):
        getattr(fresh, column.name)[to] = getattr(old, column.name)[source]
