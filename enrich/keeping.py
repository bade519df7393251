"""What an engine leaves in Redis: for late consumers, for its next owner, for the shard map."""

from __future__ import annotations

from typing import Final

from enrich.engine import Engine
from shared.clock import Clock
from shared.market.calendar import date_of
from shared.streams import published, weights
from shared.streams.client import Connection

#: How often it is told how many packets each underlying brought; shards are balanced by it.
WEIGH_EVERY_S: Final = 60.0


class Keeping:
    """Brings `ticks.last`, the day's first open interest, and the day's packets up to date."""

    def __init__(self, redis: Connection, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._weights_due_s: dict[int, float] = {}

    async def put(self, engine: Engine, shard: int, part: int, parts: int) -> None:
        """Keep one of `parts` of a shard's newest records, and with the first all that is small.

        With one part only, as when a shard is given up, everything.

        Raises:
            StreamError: Redis refused or vanished.
        """
        records = engine.refreshed(shard, part, parts)
        if len(records):
            await published.put_last(self._redis, shard, records)
        if part:
            return
        now_s = self._clock.monotonic_s()
        if parts == 1 or now_s >= self._weights_due_s.get(shard, 0.0):
            self._weights_due_s[shard] = now_s + WEIGH_EVERY_S
            today = int(date_of(self._clock.now_ns()).strftime("%Y%m%d"))
            await weights.add(self._redis, today, engine.weighed(shard))
        if (opening := engine.unkept_opening(shard)) is not None:
            await published.put_opening_oi(self._redis, shard, opening)
