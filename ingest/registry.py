"""The instruments dump fetched, checked, sharded, with the tokens wanted of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from ingest import dump, metrics
from ingest.bands import Bands
from ingest.following import Centre, Reluctance, followed
from ingest.settings import IngestOptions, wish
from ingest.sharding import assign, balanced, estimated, measured, rebalanced, weights
from ingest.universe import Listing, Universe, strike_step, universe
from shared.clock import Clock
from shared.errors import KiteError, MessageError
from shared.kite.data import KiteData
from shared.market.calendar import Calendar, packaged_calendar
from shared.market.expiry import IST
from shared.market.instruments import parse
from shared.runtime.logs import get_log
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.shards import ShardMap

log = get_log()

#: A version is the day's yyyymmdd times this, plus one for every other dump of that day.
LOADS_PER_DAY_MAX = 100
#: A dump that was refused is not asked for again before: 100,000 lines are a burden to Kite, too.
DUMP_RETRY_S = 300.0
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


class Counted(Protocol):
    """Where it is known how busy underlyings were."""

    async def read(self) -> Mapping[str, Mapping[int, int]]:
        """Return packets by day, yyyymmdd, by underlying, of those that are known."""
        ...


class Shelf(Protocol):
    """Where a good dump outlives ingest and its streams."""

    async def put(self, version: int, records: np.ndarray, *, fetched_us: int) -> None:
        """Keep a dump."""
        ...

    async def current(self) -> np.ndarray:
        """Return what was kept last, empty for nothing."""
        ...


class NoPrices:
    """Sees nothing: every price is asked for."""

    def watch(self, _tokens: Sequence[int]) -> None:
        """Look out for nothing."""

    def read(self) -> Mapping[int, float]:
        """Return nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Market:
    """The instruments of one good dump with the tokens wanted of them."""

    version: int
    instruments: np.ndarray
    shard_map: ShardMap
    tokens: tuple[int, ...]


class Registry:
    """Knows the newest good dump and where the money is."""

    def __init__(
        self,
        kite: KiteData,
        options: IngestOptions,
        clock: Clock,
        *,
        calendar: Calendar | None = None,
        prices: Prices | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._kite = kite
        self._options = options
        self._clock = clock
        self._calendar = calendar or packaged_calendar()
        self._prices: Prices = prices or NoPrices()
        self._shelf = shelf
        self._wish = wish(options)
        self._following = [each.underlying for each in self._wish.windows if each.follows]
        self._reluctance = Reluctance(options.recentre_strikes, options.dwell_s)
        self._centres: dict[str, Centre] = {}
        self._deltas: Deltas | None = None
        self._counted: Counted | None = None
        self._packets: Mapping[str, int] = {}
        self._bands = Bands(self._reluctance)
        self._listing = Listing(np.empty(0, INSTRUMENT_DTYPE))
        self._shard_map = ShardMap(version=0, shards=options.shards, underlyings={})
        self._wanted = Universe((), (), {})
        self._wanted_on = 0
        self._fetched_ns = 0
        self._retry_s = self._ask_s = self._deltas_s = 0.0
        #: Underlyings whose window changed and of whom nobody was told yet.
        self.moved: set[str] = set()

    def go_by(self, deltas: Deltas) -> None:
        """Have windows by delta follow these; without any they take every strike."""
        self._deltas = deltas

    def weigh_by(self, counted: Counted) -> None:
        """Balance shards by what these have counted; without any, by numbers of instruments."""
        self._counted = counted

    def resume(self, instruments: np.ndarray, shard_map: ShardMap | None) -> None:
        """Go on from what was published before: half a dump is told by it, shards stay as they are.

        A shard map for another number of shards is made anew.
        """
        self._listing = Listing(instruments)
        if shard_map is not None and shard_map.shards == self._options.shards:
            self._shard_map = shard_map

    async def begin(self) -> Market:
        """Fetch the dump; where Kite has none, go on from what was resumed, or kept.

        Raises:
            KiteError, MessageError: as `load`, and nothing was resumed.
        """
        try:
            return await self.load()
        except (KiteError, MessageError) as error:
            if not len(self._listing.instruments) and self._shelf is not None:
                self._listing = Listing(await self._shelf.current())
            if not len(self._listing.instruments):
                raise
            self._postpone(str(error))
            await self.recentre()
            return self._market()

    async def load(self) -> Market:
        """Fetch the dump; return it with what is wanted of it.

        Raises:
            KiteError: Kite did not answer with a dump.
            MessageError: what it answered is no dump, or half of one; the last good one stays.
        """
        asked_ns = self._clock.now_ns()
        body = await self._kite.instruments()
        # A hundred thousand lines: the sockets must not wait for them.
        before = self._listing.instruments
        listing, changes = await asyncio.to_thread(
            _read, body, before, self._options.shrinkage_max, self._calendar
        )
        self._listing, self._fetched_ns = listing, asked_ns
        if len(before) and changes:
            _tell(changes)
        if self._shelf is not None:
            version = self._today() * LOADS_PER_DAY_MAX
            await self._shelf.put(version, listing.instruments, fetched_us=asked_ns // 1000)
        await self.recentre()
        if self._counted is not None and not self._shards_are_of_today():
            self._packets = measured(await self._counted.read(), self._today())
        self._rebalance()
        return self._market()

    async def reload(self) -> Market | None:
        """Fetch a dump when a new one is due; return None while the one there is stays."""
        due = dump.due(self._fetched_ns, self._clock.now_ns(), self._calendar)
        if not due or self._clock.monotonic_s() < self._retry_s:
            return None
        try:
            return await self.load()
        except (KiteError, MessageError) as error:
            self._postpone(str(error))
            return None

    async def recentre(self) -> bool:
        """Look where the money is; return whether other instruments are wanted than before.

        That is so when a window of strikes moved, or when the day changed and expiries with it. An
        underlying without a price keeps the window it has.
        """
        now_s = self._clock.monotonic_s()
        found = {name: self._listing.spot(name) for name in self._following}
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
            self._ask_s = now_s + (ASK_SOON_S if self.lacks_money else ASK_EVERY_S)
        before = dict(self._centres)
        for name, price in prices.items():
            if price > 0.0:
                self._centres[name] = self._follow(name, price, now_s)
        moved = await self._follow_deltas(now_s)
        if not moved and self._centres == before and self._wanted_on == self._today():
            return False
        wanted = self._wanted.tokens
        self._choose()
        return wanted != self._wanted.tokens

    @property
    def lacks_money(self) -> bool:
        """Say whether a window has no centre yet, so that whole expiries stand in for it."""
        return any(
            name not in self._centres and self._listing.spot(name) is not None
            for name in self._following
        )

    def current(self) -> Market:
        """Return the last good dump with what is wanted of it now."""
        return self._market()

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

    def _follow(self, name: str, price: float, now_s: float) -> Centre:
        rows = self._listing.of(name)
        step = strike_step(rows["strike"][rows["strike"] > 0], price)
        return followed(self._centres.get(name), price, step, now_s, self._reluctance)

    async def _follow_deltas(self, now_s: float) -> bool:
        """Look how far the options reach that windows by delta take; return whether one moved."""
        if self._deltas is None or now_s < self._deltas_s:
            return False
        self._deltas_s = now_s + DELTAS_EVERY_S
        moved = False
        for window in self._wish.windows:
            held = self._wanted.chains.get(window.underlying, frozenset())
            shard = self._shard_map.underlyings.get(window.underlying)
            if window.delta and held and shard is not None:
                rows = self._listing.of(window.underlying)
                rows = rows[np.isin(rows["instrument_token"], list(held))]
                found = await self._deltas.read(shard, rows["instrument_token"].tolist())
                name = window.underlying
                moved |= self._bands.follow(name, rows, found, window.delta, now_s)
        return moved

    def _choose(self) -> None:
        """Choose what is wanted now; note whose window is another one."""
        today, before = self._today(), self._wanted.chains
        centres = {name: centre.price for name, centre in self._centres.items()}
        bands = self._bands.strikes
        self._wanted = universe(self._listing, self._wish, centres, today, bands)
        self._wanted_on = today
        chains = self._wanted.chains
        self.moved |= {name for name in before if before[name] != chains.get(name)}
        spots = [self._listing.spot(name) for name in self._following]
        self._prices.watch([int(row["instrument_token"]) for row in spots if row is not None])

    def _market(self) -> Market:
        self._choose()
        day = self._wanted_on
        for missing in self._wanted.missing:
            log.warning("instrument.missing", wanted=missing)
        tokens = np.array(self._wanted.tokens, dtype=np.uint32)
        placed = assign(self._listing.instruments, self._mapped(tokens, day))
        metrics.INSTRUMENTS.set(len(placed))
        return Market(day * LOADS_PER_DAY_MAX, placed, self._shard_map, self._wanted.tokens)

    def _mapped(self, tokens: np.ndarray, day: int) -> ShardMap:
        """Return the shard map, changed only when an underlying is not in it.

        Weights drift all day; moving an underlying for it would cost its history each time.
        """
        counted = weights(self._listing.instruments, tokens)
        placed = self._shard_map.underlyings
        if not counted.keys() <= placed.keys():
            weight_of = estimated(counted, self._packets)
            self._shard_map = balanced(weight_of, self._options.shards, self._next(day), placed)
        return self._shard_map

    def _rebalance(self) -> None:
        """Move underlyings by measured weight: once a day, while nothing trades.

        Everybody changes over with the instruments of that version; a live market would have an
        underlying's packets in two streams for a moment.
        """
        if not self._packets or self._shards_are_of_today() or self._anything_trades():
            return
        counted = weights(self._listing.instruments, np.array(self._wanted.tokens, np.uint32))
        before = self._shard_map
        version = self._next(self._today())
        self._shard_map = rebalanced(before, estimated(counted, self._packets), version)
        if self._shard_map is not before:
            after = self._shard_map.underlyings
            moved = [name for name, shard in before.underlyings.items() if after[name] != shard]
            log.info("shards.rebalanced", version=version, moved=moved)

    def _anything_trades(self) -> bool:
        """Say whether a segment of what is wanted is open; one without hours is not asked."""
        rows = self._listing.instruments
        wanted = rows["exchange"][np.isin(rows["instrument_token"], self._wanted.tokens)]
        segments = {each.decode() for each in np.unique(wanted)} & set(self._calendar.segments())
        now_ns = self._clock.now_ns()
        return any(self._calendar.presume(segment, now_ns).is_open for segment in segments)

    def _shards_are_of_today(self) -> bool:
        return self._shard_map.version >= self._today() * LOADS_PER_DAY_MAX

    def _next(self, day: int) -> int:
        """Return the version of a shard map that changes now."""
        return max(day * LOADS_PER_DAY_MAX, self._shard_map.version + 1)

    def _today(self) -> int:
        """Return the day in India as yyyymmdd."""
        today = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).astimezone(IST)
        return today.year * 10_000 + today.month * 100 + today.day

    def _postpone(self, reason: str) -> None:
        metrics.DUMPS_REFUSED.inc()
        log.warning("instruments.kept", reason=reason, count=len(self._listing.instruments))
        self._retry_s = self._clock.monotonic_s() + DUMP_RETRY_S


def _read(
    body: bytes, before: np.ndarray, shrinkage_max: float, calendar: Calendar
) -> tuple[Listing, dump.Differences]:
    """Return a dump, indexed, with what it changes; raises as `parse` and `dump.check` do."""
    parsed = parse(body, calendar)
    dump.check(before, parsed.records, shrinkage_max)
    for refusal in parsed.refused:
        log.warning("instrument.refused", reason=refusal.sentence)
    return Listing(parsed.records), dump.differences(before, parsed.records)


def _tell(changes: dump.Differences) -> None:
    log.info(
        "instruments.changed",
        listed=len(changes.listed),
        delisted=len(changes.delisted),
        changed=len(changes.changed),
        tokens_reused=len(changes.reused),
    )


def _quoted(spot: np.void) -> str:
    """Return how Kite's quotes call an instrument."""
    return f"{spot['exchange'].decode()}:{spot['tradingsymbol'].decode()}"
