"""What an engine leaves in Redis: for late consumers, for its next owner, for the shard map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from enrich.engine import Engine
from shared.clock import Clock
from shared.market.calendar import date_of
from shared.streams import published, weights
from shared.streams.client import Connection
from shared.streams.last_ticks import LastTicks

#: How often it is told how many packets each underlying brought; shards are balanced by it.
WEIGH_EVERY_S: Final = 60.0
#: Instruments looked at at once: ticks wait for the newest records of so many to be written.
ROWS_AT_ONCE: Final = 64
#: Parts of an interval: none nearer together than a write costs, none further than one can see.
PARTS_MIN, PARTS_MAX = 16, 128


def parts_of(instruments: int) -> int:
    """Return into how many parts the keeping of so many instruments is cut."""
    return min(max(PARTS_MIN, -(-instruments // ROWS_AT_ONCE)), PARTS_MAX)


class Keeping:
    """Brings `ticks.last`, the day's first open interest, and the day's packets up to date."""

    def __init__(self, redis: Connection, clock: Clock) -> None:
        self._redis = redis
        self._last = LastTicks(redis)
        self._clock = clock
        self._weights_due_s: dict[int, float] = {}

    async def put(self, engine: Engine, shards: Sequence[int], part: int, parts: int) -> None:
        """Keep one of `parts` of the shards' newest records, and with the first all that is small.

        With one part only, as when a shard is given up, everything.

        Raises:
            StreamError: Redis refused or vanished.
        """
        refreshed = [(shard, engine.last.refreshed(shard, part, parts)) for shard in shards]
        await self._last.put([each for each in refreshed if len(each[1])])
        if part:
            return
        for shard in shards:
            await self._put_small(engine, shard, is_last=parts == 1)

    async def _put_small(self, engine: Engine, shard: int, *, is_last: bool) -> None:
        now_s = self._clock.monotonic_s()
        if is_last or now_s >= self._weights_due_s.get(shard, 0.0):
            self._weights_due_s[shard] = now_s + WEIGH_EVERY_S
            today = int(date_of(self._clock.now_ns()).strftime("%Y%m%d"))
            await weights.add(self._redis, today, engine.weighed(shard))
        if (opening := engine.unkept_opening(shard)) is not None:
            await published.put_opening_oi(self._redis, shard, opening)
