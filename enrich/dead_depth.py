"""How many raw entries wait in the dead letters of our shards, for the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from enrich import metrics
from shared.clock import Clock
from shared.streams.client import Connection
from shared.streams.hygiene import depth
from shared.wire.topics import RAW_TICKS, dead

#: How often they are counted.
EVERY_S: Final = 30.0


class DeadDepth:
    """Counts when it is due; a person who discards them is seen the next time."""

    def __init__(self, redis: Connection, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._due_s = 0.0

    async def count(self, shards: Iterable[int]) -> None:
        """Count those of shards held here, if it is time.

        Raises:
            StreamError: Redis refused or vanished.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + EVERY_S
        depths = [await depth(self._redis, dead(RAW_TICKS.name(shard))) for shard in shards]
        metrics.DEAD_LETTERS.set(sum(each.entries for each in depths))
