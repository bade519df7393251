"""What Redis holds for us that is not done: dead letters, pending entries, those lost unread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from enrich import metrics
from shared.clock import Clock
from shared.streams import groups
from shared.streams.client import Connection
from shared.streams.hygiene import depth
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS, dead

#: How often dead letters are counted.
DEAD_EVERY_S: Final = 30.0
#: How often pending entries are.
PENDING_EVERY_S: Final = 5.0


class DeadDepth:
    """Counts when it is due; a person who discards them is seen the next time."""

    def __init__(self, redis: Connection, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._due_s = 0.0
        self._counted: frozenset[int] = frozenset()

    async def count(self, shards: Iterable[int]) -> None:
        """Count those of shards held here, if it is time, or they are others than last time.

        Raises:
            StreamError: Redis refused or vanished.
        """
        now_s = self._clock.monotonic_s()
        held = frozenset(shards)
        if now_s < self._due_s and held == self._counted:
            return
        self._due_s, self._counted = now_s + DEAD_EVERY_S, held
        # Enriched entries are given up only on the way to Kafka, which may find them too large.
        streams = [topic.name(shard) for shard in held for topic in (RAW_TICKS, ENRICHED_TICKS)]
        depths = [await depth(self._redis, dead(stream)) for stream in streams]
        metrics.DEAD_LETTERS.set(sum(each.entries for each in depths))


class PendingDepth:
    """Looks when it is due at what our group was handed and has not acknowledged, by shard."""

    def __init__(self, redis: Connection, clock: Clock, group: str) -> None:
        self._redis = redis
        self._clock = clock
        self._group = group
        self._due_s = 0.0

    async def look(self, shards: Iterable[int]) -> None:
        """Look at shards held here, if it is time; of others nothing is told any more.

        Raises:
            StreamError: Redis refused or vanished.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + PENDING_EVERY_S
        held = {
            shard: await groups.held(self._redis, RAW_TICKS.name(shard), self._group)
            for shard in shards
        }
        metrics.PENDING.clear()
        metrics.PENDING_AGE_SECONDS.clear()
        for shard, (entries, oldest) in held.items():
            age_s = self._clock.now_ns() / 1e9 - oldest.ms / 1e3 if oldest else 0.0
            metrics.PENDING.labels(shard).set(entries)
            metrics.PENDING_AGE_SECONDS.labels(shard).set(max(0.0, age_s))
