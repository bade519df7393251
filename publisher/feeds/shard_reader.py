"""One topic's batches of every shard there is, those of former owners left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from publisher import metrics
from publisher.feeds.batches import Batch, Fences, decode_batch
from publisher.feeds.catalogue import Catalogue, Malformed
from shared.clock import Clock
from shared.errors import MessageError
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from shared.streams.tails import Tail
from shared.wire.layout import Layout
from shared.wire.ticks import TICK

#: Longest that the past of the streams is read while nobody is let in.
PAST_S_MAX = 10.0


class ShardReader:
    """Takes up shards as they are published.

    `follow` adds the stream of each to the reader, and returns it with its newest entry then.
    """

    def __init__(
        self,
        reader: Tail,
        catalogue: Catalogue,
        malformed: Malformed,
        follow: Callable[[int], Awaitable[tuple[str, EntryId]]],
        layout: Layout = TICK,
    ) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._malformed = malformed
        self._follow = follow
        self._layout = layout
        self._fences = Fences()
        self._followed = 0
        #: Streams of which what they held when they were taken up has not been read, and how far.
        self._behind: dict[str, EntryId] = {}

    async def begin(self) -> None:
        """Take up shards that are new; a Redis that was away may count its fences anew.

        Raises:
            StreamError: the log is away.
        """
        self._fences.forget()
        await self._follow_shards()

    async def past(self, clock: Clock) -> AsyncIterator[tuple[Entry, Batch]]:
        """Give what the shards held when they were taken up; let nobody in before.

        Whoever comes back says where it had come to: a place that has not been read yet is not
        known, and what lies between it and the last values would be told to nobody.

        Raises:
            StreamError: the log is away; the next call goes on where this one was.
        """
        until_s = clock.monotonic_s() + PAST_S_MAX
        while self._behind and clock.monotonic_s() < until_s:
            entries = await self._reader.read()
            for entry in entries:
                if entry.id >= self._behind.get(entry.stream, entry.id.next()):
                    del self._behind[entry.stream]
            for each in self._batches(entries):
                yield each
            if not entries:
                break
        self._behind.clear()

    async def read(self) -> Iterator[tuple[Entry, Batch]]:
        """Read the shards once; give each batch that its shard's owner wrote.

        Raises:
            StreamError: the log is away.
        """
        if self._catalogue.shards > self._followed:
            await self._follow_shards()
        return self._batches(await self._reader.read())

    async def _follow_shards(self) -> None:
        for shard in range(self._followed, self._catalogue.shards):
            stream, newest = await self._follow(shard)
            if newest != BEFORE_ALL:
                self._behind[stream] = newest
            self._followed = shard + 1

    def _batches(self, entries: list[Entry]) -> Iterator[tuple[Entry, Batch]]:
        for entry in entries:
            try:
                batch = decode_batch(entry.fields, self._layout)
            except MessageError as error:
                self._malformed.note(entry, error)
                continue
            if self._fences.admit(batch.shard, batch.fence):
                yield entry, batch
            else:
                metrics.RECORDS_LEFT_OUT.labels(reason="fenced").inc(len(batch.records))
