"""The instruments dump fetched, checked, sharded, with the tokens wanted of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from ingest import dump, metrics
from ingest.following import Reluctance
from ingest.money import Deltas, Money, NoPrices, Prices
from ingest.placing import LOADS_PER_DAY_MAX, Placing
from ingest.settings import IngestOptions, wish
from ingest.sharding import assign
from ingest.universe import Listing, Universe, universe
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

#: A dump that was refused is not asked for again before: 100,000 lines are a burden to Kite, too.
DUMP_RETRY_S = 300.0


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


@dataclass(frozen=True, slots=True)
class Market:
    """The instruments of one good dump with the tokens wanted of them."""

    version: int
    instruments: np.ndarray
    shard_map: ShardMap
    tokens: tuple[int, ...]


class Registry:
    """Knows the newest good dump, what is wanted of it, which shard has it."""

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
        self._shelf = shelf
        self._wish = wish(options)
        self._money = Money(
            kite,
            self._wish,
            Reluctance(options.recentre_strikes, options.dwell_s),
            clock,
            calendar=self._calendar,
            prices=prices or NoPrices(),
        )
        self._placing = Placing(options.shards)
        self._counted: Counted | None = None
        self._listing = Listing(np.empty(0, INSTRUMENT_DTYPE))
        self._wanted = Universe((), (), {})
        self._wanted_on = 0
        self._fetched_ns = 0
        self._retry_s = 0.0
        #: Underlyings whose window changed and of whom nobody was told yet.
        self.moved: set[str] = set()

    def go_by(self, deltas: Deltas) -> None:
        """Have windows by delta follow these; without any they take every strike."""
        self._money.deltas = deltas

    def weigh_by(self, counted: Counted) -> None:
        """Balance shards by what these have counted; without any, by numbers of instruments."""
        self._counted = counted

    def resume(self, instruments: np.ndarray, shard_map: ShardMap | None) -> None:
        """Go on from what was published before: half a dump is told by it, shards stay as they are.

        A shard map for another number of shards is made anew.
        """
        self._listing = Listing(instruments)
        self._placing.resume(shard_map)

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
        if self._counted is not None and not self._placing.is_of(self._today()):
            self._placing.weigh(await self._counted.read(), self._today())
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
        has_moved = await self._money.look(self._listing, now_s)
        shard_of = self._placing.shard_map.underlyings
        by_delta = await self._money.look_at_deltas(
            self._listing, self._wanted.chains, shard_of, now_s
        )
        if not by_delta and not has_moved and self._wanted_on == self._today():
            return False
        wanted = self._wanted.tokens
        self._choose()
        return wanted != self._wanted.tokens

    @property
    def lacks_money(self) -> bool:
        """Say whether a window has no centre yet, so that whole expiries stand in for it."""
        return self._money.lacks_centre(self._listing)

    def current(self) -> Market:
        """Return the last good dump with what is wanted of it now."""
        return self._market()

    def _choose(self) -> None:
        """Choose what is wanted now; note whose window is another one."""
        today, before = self._today(), self._wanted.chains
        centres, bands = self._money.centres, self._money.strikes
        self._wanted = universe(self._listing, self._wish, centres, today, bands)
        self._wanted_on = today
        chains = self._wanted.chains
        self.moved |= {name for name in before if before[name] != chains.get(name)}
        self._money.watch(self._listing)

    def _market(self) -> Market:
        self._choose()
        day, rows = self._wanted_on, self._listing.instruments
        for missing in self._wanted.missing:
            log.warning("instrument.missing", wanted=missing)
        shard_map = self._placing.mapped(rows, self._tokens(), day)
        placed = assign(rows, shard_map)
        metrics.INSTRUMENTS.set(len(placed))
        return Market(day * LOADS_PER_DAY_MAX, placed, shard_map, self._wanted.tokens)

    def _rebalance(self) -> None:
        """Move underlyings by measured weight: once a day, while nothing trades.

        Everybody changes over with the instruments of that version; a live market would have an
        underlying's packets in two streams for a moment.
        """
        today = self._today()
        if not self._placing.is_due(today) or self._anything_trades():
            return
        moved = self._placing.rebalance(self._listing.instruments, self._tokens(), today)
        if moved:
            version = self._placing.shard_map.version
            log.info("shards.rebalanced", version=version, moved=moved)

    def _tokens(self) -> np.ndarray:
        return np.array(self._wanted.tokens, dtype=np.uint32)

    def _anything_trades(self) -> bool:
        """Say whether a segment of what is wanted is open; one without hours is not asked."""
        rows = self._listing.instruments
        wanted = rows["exchange"][np.isin(rows["instrument_token"], self._wanted.tokens)]
        segments = {each.decode() for each in np.unique(wanted)} & set(self._calendar.segments())
        now_ns = self._clock.now_ns()
        return any(self._calendar.presume(segment, now_ns).is_open for segment in segments)

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
