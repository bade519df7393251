"""What the publisher reads from the streams, one read at a time."""

from __future__ import annotations

import asyncio
from typing import Protocol

import numpy as np

from publisher import metrics
from publisher.fanout.flow import Source
from publisher.feeds.batches import Batch
from publisher.feeds.catalogue import Catalogue, Outlet
from publisher.feeds.shard_reader import ShardReader
from publisher.protocol.messages import GapNotice
from shared.errors import MessageError
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from shared.streams.reader import TailReader
from shared.streams.tails import Tail
from shared.wire import codec, topics
from shared.wire.control import Control, Gap

#: Entries of one read of one stream; one of ticks holds up to some thousand records.
TICK_ENTRIES_MAX = 16
MESSAGE_ENTRIES_MAX = 256


class Feed(Protocol):
    """A source that is read for ever; both methods raise StreamError while Redis is away."""

    name: str

    async def begin(self) -> None:
        """Bring the hub up to now, after a start as after an outage."""
        ...

    async def step(self) -> None:
        """Wait for something new, at most one block; hand it on."""
        ...


class TickFeed:
    """Enriched ticks of every shard, into the hub."""

    name = "ticks"

    def __init__(
        self,
        redis: Connection,
        catalogue: Catalogue,
        outlet: Outlet,
        *,
        reader: Tail,
        overlap_s: float,
    ) -> None:
        self._redis = redis
        self._hub = outlet.desk.hub
        self._wake = outlet.wake
        self._clock = outlet.clock
        self._overlap_ms = round(overlap_s * 1000)
        self._reader = reader
        self._shards = ShardReader(reader, catalogue, outlet.malformed, self._follow)

    async def begin(self) -> None:
        """Take up shards that are new, with what they hold."""
        await self._shards.begin()
        async for entry, batch in self._shards.past(self._clock):
            self._apply(batch.records, _source(entry, batch))

    async def step(self) -> None:
        """Read the shards once."""
        for entry, batch in await self._shards.read():
            self._apply(batch.records, _source(entry, batch))
            if len(batch.records):
                newest_ns = int(batch.records["received_at_ns"].max())
                metrics.RECORD_AGE.observe(max(0, self._clock.now_ns() - newest_ns) / 1e9)
        # Who was woken is served first; asking for more costs as much as some messages.
        await asyncio.sleep(0)

    async def _follow(self, shard: int) -> tuple[str, EntryId]:
        stream = topics.ENRICHED_TICKS.name(shard)
        newest = await self._reader.newest(stream)
        # Last values are up to a second old: the stream is read again from before them; what
        # comes twice that way is older than what is held, so the hub leaves it out.
        self._apply(await published.get_last(self._redis, shard))
        begin = EntryId(max(0, newest.ms - self._overlap_ms), 0)
        self._hub.begin_shard(str(shard), str(begin), is_empty=newest == BEFORE_ALL)
        self._reader.add(stream, begin)
        return stream, newest

    def _apply(self, records: published.Records, source: Source | None = None) -> None:
        moved = self._hub.apply(records, source)
        self._wake(moved.wake)
        metrics.RECORDS.inc(len(moved.applied.slots))
        metrics.PAIRS.inc(moved.pairs)
        if moved.applied.late:
            metrics.RECORDS_LEFT_OUT.labels(reason="late").inc(moved.applied.late)
        if moved.applied.over:
            metrics.RECORDS_LEFT_OUT.labels(reason="instruments_max").inc(moved.applied.over)


def _source(entry: Entry, batch: Batch) -> Source:
    return Source(str(batch.shard), str(entry.id))


class HintFeed:
    """Gaps for the subscribers, hints for ourselves."""

    name = "hints"

    def __init__(
        self, redis: Connection, catalogue: Catalogue, outlet: Outlet, *, block_ms: int
    ) -> None:
        self._catalogue = catalogue
        self._hub = outlet.desk.hub
        self._wake = outlet.wake
        self._malformed = outlet.malformed
        positions = {topics.GAPS.name(): "$", topics.CONTROL.name(): "$"}
        self._reader = TailReader(
            redis, positions, count_max=MESSAGE_ENTRIES_MAX, block_ms=block_ms
        )

    async def begin(self) -> None:
        """Take note of where the streams end, before anybody is let in who wants what follows.

        Then look at what is published, since hints may have been missed.
        """
        await self._reader.pin()
        await self._catalogue.refresh()

    async def step(self) -> None:
        """Read both streams once."""
        for entry in await self._reader.read():
            try:
                if entry.stream == topics.GAPS.name():
                    self._tell(codec.decode(entry.fields, Gap))
                else:
                    await self._heed(codec.decode(entry.fields, Control))
            except MessageError as error:
                self._malformed.note(entry, error)

    def _tell(self, gap: Gap) -> None:
        metrics.GAPS.inc()
        tokens = np.array([t for t in gap.instrument_tokens if 0 < t < 2**32], np.uint32)
        self._wake(self._hub.gap(tokens, GapNotice(gap=gap)))

    async def _heed(self, hint: Control) -> None:
        if hint.kind in {"instruments_changed", "shards_changed"}:
            await self._catalogue.refresh(is_forced=hint.kind == "instruments_changed")
