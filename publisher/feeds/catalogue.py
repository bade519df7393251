"""What is published of the market, and where everything that is read goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from publisher import metrics
from publisher.fanout.universe import Universe
from publisher.feeds import walk
from publisher.session.desk import Desk
from shared.clock import Clock
from shared.errors import MessageError
from shared.runtime.logs import Log
from shared.runtime.throttle import Throttle
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.entry import Entry

Wake = Callable[[Iterable[int]], None]

#: Before anybody has published a shard map there is one shard.
_SHARDS_UNPUBLISHED = 1
_MALFORMED_LINES_PER_S = 1.0


class Malformed:
    """Counts and tells entries that do not decode; one is never reason to stop."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._throttle = Throttle(_MALFORMED_LINES_PER_S, clock=clock)

    def note(self, entry: Entry, error: MessageError) -> None:
        """Take note of one."""
        metrics.MALFORMED.labels(stream=entry.stream.partition(".v")[0]).inc()
        suppressed = self._throttle.admit(entry.stream)
        if suppressed is not None:
            self._log.warning(
                "entry.malformed",
                stream=entry.stream,
                id=str(entry.id),
                reason=str(error),
                suppressed=suppressed,
            )


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where every feed puts what it read."""

    desk: Desk
    wake: Wake
    malformed: Malformed
    clock: Clock
    log: Log


class Catalogue:
    """What is published of the market: the instruments, the number of shards."""

    def __init__(self, redis: Connection, outlet: Outlet) -> None:
        self._redis = redis
        self._desk = outlet.desk
        self._wake = outlet.wake
        self._log = outlet.log
        #: Hints and the regular look may coincide; the later one must not be overtaken.
        self._looking = asyncio.Lock()
        self.shards = _SHARDS_UNPUBLISHED

    @property
    def universe(self) -> Universe:
        """Return the published instruments as last read."""
        return self._desk.universe

    async def refresh(self, *, is_forced: bool = False) -> None:
        """Look whether something else is published now; `is_forced` reads it in any case.

        Raises:
            StreamError: Redis refused or vanished.
        """
        async with self._looking:
            await self._look(is_forced=is_forced)

    async def _look(self, *, is_forced: bool) -> None:
        try:
            shard_map = await published.get_shard_map(self._redis)
            if shard_map is not None:
                self.shards = shard_map.shards
            version = await published.get_instruments_version(self._redis)
            if is_forced or version != self._desk.universe.version:
                await self._read_instruments()
        except MessageError as error:
            # What is held stays good; whoever publishes has to be told.
            self._log.error("catalogue.malformed", reason=str(error))

    async def _read_instruments(self) -> None:
        version, records = await published.get_instruments(self._redis)
        if not len(records) and self._desk.universe.version:
            # A Redis that came back empty: what is held stays good until somebody publishes again.
            return
        # 120,000 instruments take a few tenths of a second, which the subscribers need not wait.
        everything = np.concatenate([records, walk.listed()])
        universe = await asyncio.to_thread(Universe, everything, version=version)
        self._wake(self._desk.publish(universe))
        self._log.info("instruments.read", version=version, instruments=len(universe))
