"""Bars, from their streams to whoever wants them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from publisher import metrics
from publisher.fanout.bar_board import messages
from publisher.fanout.flow import Source
from publisher.feeds.batches import Batch
from publisher.feeds.catalogue import Catalogue, Outlet
from publisher.feeds.shard_reader import ShardReader
from publisher.protocol.messages import Bars
from shared.streams import groups
from shared.streams.client import Connection
from shared.streams.ids import EntryId
from shared.streams.reader import TailReader
from shared.wire import topics
from shared.wire.bars import BAR

#: Entries of one read of one stream; one holds up to some thousand bars.
BAR_ENTRIES_MAX = 16
#: How far back bars are read at the start, for whoever wants the newest or comes back.
READ_BACK_MS = 90_000

#: Subscribers, and what they are told.
_Told = tuple[list[int], Bars]


class BarFeed:
    """Reads `bars.v1` of every shard; each bar is queued once for everybody who wants it."""

    name = "bars"

    def __init__(
        self, redis: Connection, catalogue: Catalogue, outlet: Outlet, *, block_ms: int
    ) -> None:
        self._redis = redis
        self._desk = outlet.desk
        self._wake = outlet.wake
        self._clock = outlet.clock
        self._reader = TailReader(redis, {}, count_max=BAR_ENTRIES_MAX, block_ms=block_ms)
        self._shards = ShardReader(self._reader, catalogue, outlet.malformed, self._follow, BAR)

    async def begin(self) -> None:
        """Take up shards that are new, with what they hold."""
        await self._shards.begin()
        async for entry, batch in self._shards.past(self._clock):
            self._tell(Source(str(batch.shard), str(entry.id)), batch)

    async def step(self) -> None:
        """Read the shards once."""
        for entry, batch in await self._shards.read():
            self._tell(Source(str(batch.shard), str(entry.id)), batch)

    async def _follow(self, shard: int) -> tuple[str, EntryId]:
        stream = topics.BARS.name(shard)
        newest = await groups.newest_id(self._redis, stream)
        origin = EntryId(max(0, newest.ms - READ_BACK_MS), 0)
        self._desk.bars.history.begin(str(shard), origin)
        self._reader.add(stream, origin)
        return stream, newest

    def _tell(self, source: Source, batch: Batch) -> None:
        metrics.BARS.inc(len(batch.records))
        for subscribers, message in _placed(self._told(source, batch), source):
            self._desk.hub.say_all(subscribers, message)
            self._wake(subscribers)

    def _told(self, source: Source, batch: Batch) -> Iterator[_Told]:
        for interval_s, told in self._desk.bars.take(source, batch.records):
            for subscribers, bars in told.items():
                symbols = self._desk.universe.symbols_of(bars["instrument_token"])
                for message in messages(interval_s, bars, symbols, is_snapshot=False):
                    yield list(subscribers), message


def _placed(told: Iterator[_Told], source: Source) -> list[_Told]:
    """Say in the last message that each subscriber gets of an entry that it has had all of it."""
    placed: list[_Told] = []
    done: set[int] = set()
    for subscribers, message in reversed(list(told)):
        last = [each for each in subscribers if each not in done]
        others = [each for each in subscribers if each in done]
        done.update(last)
        if last:
            at = {source.shard: source.entry_id}
            placed.append((last, msgspec.structs.replace(message, at=at)))
        if others:
            placed.append((others, message))
    return placed[::-1]
