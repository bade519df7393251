"""The instruments dump fetched, checked, sharded, with the tokens wanted of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ingest import metrics
from ingest.settings import IngestOptions
from ingest.sharding import assign, balanced, weights
from ingest.universe import Wish, recentred, strike_step, universe
from shared.clock import Clock
from shared.errors import KiteError, MessageError
from shared.kite.data import KiteData
from shared.market.expiry import IST
from shared.market.instruments import parse
from shared.runtime.logs import get_log
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.shards import ShardMap

log = get_log()

#: A version is the day's yyyymmdd times this, plus one for every other dump of that day.
LOADS_PER_DAY_MAX = 100


@dataclass(frozen=True, slots=True)
class Market:
    """The instruments of one good dump with the tokens wanted of them."""

    version: int
    instruments: np.ndarray
    shard_map: ShardMap
    tokens: tuple[int, ...]


class Registry:
    """Knows the newest good dump and where the money is; asks Kite for both."""

    def __init__(self, kite: KiteData, options: IngestOptions, clock: Clock) -> None:
        self._kite = kite
        self._options = options
        self._clock = clock
        self._wish = Wish(
            options.underlyings, options.expiries, options.strikes_each_side, options.symbols
        )
        self._centres: dict[str, float] = {}
        self._instruments = np.empty(0, INSTRUMENT_DTYPE)
        self._shard_map = ShardMap(version=0, shards=options.shards, underlyings={})

    def resume(self, instruments: np.ndarray, shard_map: ShardMap | None) -> None:
        """Go on from what was published before: half a dump is told by it, shards stay as they are.

        A shard map for another number of shards is made anew.
        """
        self._instruments = instruments
        if shard_map is not None and shard_map.shards == self._options.shards:
            self._shard_map = shard_map

    async def load(self) -> Market:
        """Fetch the dump; return it with what is wanted of it.

        Raises:
            KiteError: Kite did not answer with a dump.
            MessageError: what it answered is no dump, or half of one; the last good one stays.
        """
        # A hundred thousand lines: the sockets must not wait for them.
        parsed = await asyncio.to_thread(parse, await self._kite.instruments())
        rows, rows_before = len(parsed.records), len(self._instruments)
        if rows < (1.0 - self._options.shrinkage_max) * rows_before:
            raise MessageError(
                f"instruments dump has {rows} rows after {rows_before}:"
                f" it lost more than the share shrinkage_max, {self._options.shrinkage_max:g}"
            )
        for refusal in parsed.refused:
            log.warning("instrument.refused", reason=refusal.sentence)
        self._instruments = parsed.records
        await self.recentre()
        return self._market()

    async def recentre(self) -> bool:
        """Look where the money is; return whether a window of strikes moved.

        An underlying without a price keeps the window it has.
        """
        if not self._options.strikes_each_side:
            return False
        names = {_quote_name(self._instruments, name): name for name in self._options.underlyings}
        names.pop("", None)
        if not names:
            return False
        try:
            prices = await self._kite.ltp(list(names))
        except KiteError as error:
            log.warning("money.unknown", reason=str(error))
            return False
        before = dict(self._centres)
        for quoted, name in names.items():
            price = float(prices.get(quoted, {}).get("last_price") or 0.0)
            if price > 0.0:
                self._centres[name] = self._centre(name, price)
        return self._centres != before

    @property
    def lacks_money(self) -> bool:
        """Say whether a window has no centre yet, so that whole expiries stand in for it."""
        return bool(self._options.strikes_each_side) and any(
            name not in self._centres
            for name in self._options.underlyings
            if _quote_name(self._instruments, name)
        )

    def current(self) -> Market:
        """Return the last good dump with what is wanted of it now."""
        return self._market()

    def _centre(self, name: str, price: float) -> float:
        rows = self._instruments
        strikes = rows["strike"][(rows["underlying"] == name.encode()) & (rows["strike"] > 0)]
        step = strike_step(strikes, price)
        return recentred(self._centres.get(name), price, step, self._options.recentre_strikes)

    def _market(self) -> Market:
        today = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).astimezone(IST)
        day = today.year * 10_000 + today.month * 100 + today.day
        wanted = universe(self._instruments, self._wish, self._centres, day)
        for missing in wanted.missing:
            log.warning("instrument.missing", wanted=missing)
        tokens = np.array(wanted.tokens, dtype=np.uint32)
        placed = assign(self._instruments, self._mapped(tokens, day))
        metrics.INSTRUMENTS.set(len(placed))
        return Market(day * LOADS_PER_DAY_MAX, placed, self._shard_map, wanted.tokens)

    def _mapped(self, tokens: np.ndarray, day: int) -> ShardMap:
        """Return the shard map, changed only when an underlying is not in it.

        Weights drift all day; moving an underlying for it would cost its history each time.
        """
        weight_of = weights(self._instruments, tokens)
        placed = self._shard_map.underlyings
        if not weight_of.keys() <= placed.keys():
            version = max(day * LOADS_PER_DAY_MAX, self._shard_map.version + 1)
            self._shard_map = balanced(weight_of, self._options.shards, version, placed)
        return self._shard_map


def _quote_name(instruments: np.ndarray, underlying: str) -> str:
    """Return how Kite's quotes call an underlying, "" where it is not listed."""
    rows = instruments[instruments["underlying"] == underlying.encode()]
    rows = rows[rows["kind"] <= Kind.INDEX]
    if not len(rows):
        return ""
    row = rows[np.lexsort((rows["exchange"] != b"NSE", rows["kind"] != Kind.INDEX))[0]]
    return f"{row['exchange'].decode()}:{row['tradingsymbol'].decode()}"
