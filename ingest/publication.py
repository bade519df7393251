"""Instruments with their shard map, published for whoever reads the streams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingest.registry import Market
from shared.clock import Clock
from shared.errors import MessageError
from shared.runtime.logs import get_log
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.reference import LAYOUTS
from shared.wire.shards import ShardMap
from shared.wire.topics import CONTROL

log = get_log()


class Publication:
    """What is published of the market, under versions that only grow."""

    def __init__(self, redis: Connection, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._control = StreamWriter(redis, clock)
        self._market: Market | None = None
        self._version = 0

    @property
    def market(self) -> Market | None:
        """Return what was published last, under the version it has there."""
        return self._market

    async def before(self) -> tuple[np.ndarray, ShardMap | None]:
        """Return what an earlier run published, empty for nothing that we can read.

        Raises:
            StreamError: Redis refused or vanished.
        """
        try:
            _, instruments = await published.get_instruments(self._redis)
            return instruments, await published.get_shard_map(self._redis)
        except MessageError as error:
            log.warning("publication.unreadable", reason=str(error))
            return np.empty(0, INSTRUMENT_DTYPE), None

    async def publish(self, market: Market) -> int:
        """Publish what differs from what is there; return the version it is published under.

        Raises:
            StreamError: Redis refused or vanished.
        """
        version, known = await self._known()
        # The map first: whoever sees new instruments finds their shards.
        await published.put_layouts(self._redis, LAYOUTS)
        await published.put_shard_map(self._redis, market.shard_map)
        if not (version and np.array_equal(known, market.instruments)):
            version = max(market.version, version + 1, self._version + 1)
            await self._put(version, market)
        self._market, self._version = replace(market, version=version), version
        return version

    async def restore(self) -> None:
        """Publish again, as it was, what a Redis without a disk has lost.

        Raises:
            StreamError: Redis refused or vanished.
        """
        if self._market is None or await published.get_instruments_version(self._redis):
            return
        await published.put_layouts(self._redis, LAYOUTS)
        await published.put_shard_map(self._redis, self._market.shard_map)
        await self._put(self._version, self._market)

    async def tell_windows(self, moved: set[str]) -> None:
        """Tell whose window of strikes is another one now; whoever was told of leaves `moved`.

        Raises:
            StreamError: Redis refused or vanished.
        """
        if not moved:
            return
        told = sorted(moved)
        at_us = self._clock.now_ns() // 1000
        messages = [
            Control(
                kind="chain_window_changed",
                subject=name,
                version=self._version,
                by="ingest",
                at_us=at_us,
            )
            for name in told
        ]
        await self._control.append([Append(CONTROL, "", codec.encode(each)) for each in messages])
        moved.difference_update(told)
        log.info("windows.moved", underlyings=told)

    async def _known(self) -> tuple[int, np.ndarray]:
        try:
            return await published.get_instruments(self._redis)
        except MessageError:  # of another version of ours, to be replaced
            version = await published.get_instruments_version(self._redis)
            return version, np.empty(0, INSTRUMENT_DTYPE)

    async def _put(self, version: int, market: Market) -> None:
        await published.put_instruments(self._redis, version, market.instruments)
        changed = Control(
            kind="instruments_changed",
            version=version,
            by="ingest",
            at_us=self._clock.now_ns() // 1000,
        )
        await self._control.append([Append(CONTROL, "", codec.encode(changed))])
        log.info("instruments.published", version=version, count=len(market.instruments))
