"""The published instruments followed: a new version becomes a new engine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from enrich import metrics
from enrich.engine import Derived, Engine
from enrich.parameters import Parameters
from shared.clock import Clock
from shared.errors import MessageError
from shared.runtime.logs import get_log
from shared.runtime.throttle import Throttle
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.published import Records

#: How often the published instruments are looked at again.
LOOK_EVERY_S = 2.0

log = get_log()


@dataclass(frozen=True, slots=True)
class Published:
    """One version of the instruments, and into how many shards they are split."""

    version: int
    records: Records
    shards: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An engine for one version of the instruments, and into how many shards they are split."""

    engine: Engine
    shards: int


class Listing:
    """Asks for the version that is published, loads it when it is another."""

    def __init__(
        self, redis: Connection, parameters: Parameters, derived: Derived, clock: Clock
    ) -> None:
        self._redis = redis
        self._parameters = parameters
        self._derived = derived
        self._clock = clock
        self._due_s = 0.0
        self._version = 0
        self._troubles = Throttle(0.1, clock=clock)

    async def newer(self) -> Listed | None:
        """Return an engine for what was published since the last call, None for nothing readable.

        Raises:
            StreamError: Redis refused or vanished.
        """
        found = await self.newer_published()
        if found is None:
            return None
        engine = await asyncio.to_thread(
            Engine, found.records, found.version, self._parameters, self._derived
        )
        return Listed(engine, found.shards)

    async def newer_published(self) -> Published | None:
        """Return what was published since the last call, None for nothing that can be read.

        Raises:
            StreamError: Redis refused or vanished.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return None
        self._due_s = now_s + LOOK_EVERY_S
        try:
            return await self._load()
        except MessageError as error:
            # What is loaded stays: another version of ours may be publishing for another.
            if (suppressed := self._troubles.admit()) is not None:
                log.warning("instruments.unreadable", reason=str(error), suppressed=suppressed)
            return None

    def forget(self) -> None:
        """Let what was returned last be returned again."""
        self._version = 0

    async def _load(self) -> Published | None:
        version = await published.get_instruments_version(self._redis)
        # 0: a Redis that lost its memory; whoever published will publish again.
        if version in (0, self._version):
            return None
        shard_map = await published.get_shard_map(self._redis)
        version, records = await published.get_instruments(self._redis)
        if shard_map is None or not version:
            return None
        self._version = version
        metrics.INSTRUMENTS.set(len(records))
        log.info("instruments.loaded", version=version, instruments=len(records))
        return Published(version, records, shard_map.shards)
