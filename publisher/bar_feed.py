"""Bars, from their streams to whoever wants them."""

from __future__ import annotations

from publisher import metrics
from publisher.bar_board import messages
from publisher.batches import Fences, decode_batch
from publisher.feeds import Catalogue, Outlet
from shared.errors import MessageError
from shared.streams import groups
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.reader import TailReader
from shared.wire import topics
from shared.wire.bars import BAR

#: Entries of one read of one stream; one holds up to some thousand bars.
BAR_ENTRIES_MAX = 16
#: How far back bars are read at the start, for whoever wants the newest.
READ_BACK_MS = 90_000


class BarFeed:
    """Reads `bars.v1` of every shard; each bar is queued once for everybody who wants it."""

    name = "bars"

    def __init__(
        self, redis: Connection, catalogue: Catalogue, outlet: Outlet, *, block_ms: int
    ) -> None:
        self._redis = redis
        self._catalogue = catalogue
        self._desk = outlet.desk
        self._wake = outlet.wake
        self._malformed = outlet.malformed
        self._fences = Fences()
        self._reader = TailReader(redis, {}, count_max=BAR_ENTRIES_MAX, block_ms=block_ms)
        self._followed = 0

    async def begin(self) -> None:
        """Take up shards that are new; a Redis that was away may count its fences anew."""
        self._fences.forget()
        await self._follow_shards()

    async def step(self) -> None:
        """Read the shards once."""
        if self._catalogue.shards > self._followed:
            await self._follow_shards()
        for entry in await self._reader.read():
            try:
                self._tell(entry)
            except MessageError as error:
                self._malformed.note(entry, error)

    async def _follow_shards(self) -> None:
        for shard in range(self._followed, self._catalogue.shards):
            stream = topics.BARS.name(shard)
            newest = await groups.newest_id(self._redis, stream)
            self._reader.add(stream, EntryId(max(0, newest.ms - READ_BACK_MS), 0))
            self._followed = shard + 1

    def _tell(self, entry: Entry) -> None:
        batch = decode_batch(entry.fields, BAR)
        if not self._fences.admit(batch.shard, batch.fence):
            metrics.RECORDS_LEFT_OUT.labels(reason="fenced").inc(len(batch.records))
            return
        metrics.BARS.inc(len(batch.records))
        for interval_s, told in self._desk.bars.take(batch.records):
            for subscribers, bars in told.items():
                symbols = self._desk.universe.symbols_of(bars["instrument_token"])
                for message in messages(interval_s, bars, symbols, is_snapshot=False):
                    self._desk.hub.say_all(subscribers, message)
                self._wake(subscribers)
