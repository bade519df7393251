"""Where the money is: prices seen or asked for, deltas, and the windows that follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ingest.bands import Bands
from ingest.following import Centre, Reluctance, followed
from ingest.universe import Listing, Wish, strike_step
from shared.clock import Clock
from shared.errors import KiteError
from shared.kite.data import KiteData
from shared.market.calendar import Calendar
from shared.runtime.logs import get_log

log = get_log()

#: Prices that the sockets do not bring are asked for at this pace, and sooner while one is unknown.
ASK_EVERY_S, ASK_SOON_S = 30.0, 2.0
#: How often windows by delta are looked at: each look reads every held record of their chains.
DELTAS_EVERY_S = 5.0


class Prices(Protocol):
    """Where last prices come from without asking for them."""

    def watch(self, tokens: Sequence[int]) -> None:
        """Look out for these from now on."""
        ...

    def read(self) -> Mapping[int, float]:
        """Return what was seen, by token in rupees, since this was called last."""
        ...


class Deltas(Protocol):
    """Where deltas of held options come from."""

    async def read(self, shard: int, tokens: Sequence[int]) -> Mapping[int, float]:
        """Return deltas by token, of those that are known."""
        ...


class NoPrices:
    """Sees nothing: every price is asked for."""

    def watch(self, _tokens: Sequence[int]) -> None:
        """Look out for nothing."""

    def read(self) -> Mapping[int, float]:
        """Return nothing."""
        return {}


class Money:
    """Follows the money of underlyings whose windows go by it."""

    def __init__(
        self,
        kite: KiteData,
        wish: Wish,
        reluctance: Reluctance,
        clock: Clock,
        *,
        calendar: Calendar,
        prices: Prices,
    ) -> None:
        self._kite = kite
        self._wish = wish
        self._reluctance = reluctance
        self._clock = clock
        self._calendar = calendar
        self._prices = prices
        self._following = [each.underlying for each in wish.windows if each.follows]
        self._centres: dict[str, Centre] = {}
        self._bands = Bands(reluctance)
        #: Without any, windows by delta take every strike.
        self.deltas: Deltas | None = None
        self._ask_s = self._deltas_s = 0.0

    @property
    def centres(self) -> dict[str, float]:
        """Return the price in rupees that each window is centred at, of those that are known."""
        return {name: centre.price for name, centre in self._centres.items()}

    @property
    def strikes(self) -> dict[tuple[str, int], tuple[float, float]]:
        """Return lowest and highest strike by delta, by underlying and expiry (yyyymmdd)."""
        return self._bands.strikes

    def lacks_centre(self, listing: Listing) -> bool:
        """Say whether a window of a listed underlying has no centre yet."""
        return any(
            name not in self._centres and listing.spot(name) is not None for name in self._following
        )

    def watch(self, listing: Listing) -> None:
        """Look out for the prices of all whose windows follow."""
        spots = [listing.spot(name) for name in self._following]
        self._prices.watch([int(row["instrument_token"]) for row in spots if row is not None])

    async def look(self, listing: Listing, now_s: float) -> bool:
        """Look at prices; return whether a centre moved. Without a price it stays where it is."""
        found = {name: listing.spot(name) for name in self._following}
        spots = {name: row for name, row in found.items() if row is not None}
        seen = self._prices.read()
        prices = {name: seen.get(int(row["instrument_token"]), 0.0) for name, row in spots.items()}
        unseen = {
            _quoted(spots[name]): name
            for name, price in prices.items()
            if price <= 0.0 and (name not in self._centres or self._trades(spots[name]))
        }
        if unseen and now_s >= self._ask_s:
            prices |= await self._asked(unseen)
            self._ask_s = now_s + (ASK_SOON_S if self.lacks_centre(listing) else ASK_EVERY_S)
        before = dict(self._centres)
        for name, price in prices.items():
            if price > 0.0:
                self._centres[name] = self._followed(listing, name, price, now_s)
        return self._centres != before

    async def look_at_deltas(
        self,
        listing: Listing,
        chains: Mapping[str, frozenset[int]],
        shard_of: Mapping[str, int],
        now_s: float,
    ) -> bool:
        """Look how far the options reach that windows by delta take; return whether one moved.

        `chains` are the tokens held, by underlying.
        """
        if self.deltas is None or now_s < self._deltas_s:
            return False
        self._deltas_s = now_s + DELTAS_EVERY_S
        moved = False
        for window in self._wish.windows:
            held = chains.get(window.underlying, frozenset())
            shard = shard_of.get(window.underlying)
            if window.delta and held and shard is not None:
                rows = listing.of(window.underlying)
                rows = rows[np.isin(rows["instrument_token"], list(held))]
                found = await self.deltas.read(shard, rows["instrument_token"].tolist())
                name = window.underlying
                moved |= self._bands.follow(name, rows, found, window.delta, now_s)
        return moved

    async def _asked(self, names: Mapping[str, str]) -> dict[str, float]:
        """Return what Kite's quotes say; `names` are underlyings by their quotes' names."""
        try:
            quoted = await self._kite.ltp(list(names))
        except KiteError as error:
            log.warning("money.unknown", reason=str(error))
            return {}
        return {
            name: float(quoted.get(asked, {}).get("last_price") or 0.0)
            for asked, name in names.items()
        }

    def _trades(self, spot: np.void) -> bool:
        return self._calendar.presume(spot["exchange"].decode(), self._clock.now_ns()).is_open

    def _followed(self, listing: Listing, name: str, price: float, now_s: float) -> Centre:
        rows = listing.of(name)
        step = strike_step(rows["strike"][rows["strike"] > 0], price)
        return followed(self._centres.get(name), price, step, now_s, self._reluctance)


def _quoted(spot: np.void) -> str:
    """Return how Kite's quotes call an instrument."""
    return f"{spot['exchange'].decode()}:{spot['tradingsymbol'].decode()}"
