"""One topic's batches of every shard there is, those of former owners left out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from publisher import metrics
from publisher.feeds.batches import Batch, Fences, decode_batch
from publisher.feeds.catalogue import Catalogue, Malformed
from shared.errors import MessageError
from shared.streams.entry import Entry
from shared.streams.tails import Tail
from shared.wire.layout import Layout
from shared.wire.ticks import TICK


class ShardReader:
    """Takes up shards as they are published: `follow` adds the stream of each to the reader."""

    def __init__(
        self,
        reader: Tail,
        catalogue: Catalogue,
        malformed: Malformed,
        follow: Callable[[int], Awaitable[None]],
        layout: Layout = TICK,
    ) -> None:
        self._reader = reader
        self._catalogue = catalogue
        self._malformed = malformed
        self._follow = follow
        self._layout = layout
        self._fences = Fences()
        self._followed = 0

    async def begin(self) -> None:
        """Take up shards that are new; a Redis that was away may count its fences anew.

        Raises:
            StreamError: the log is away.
        """
        self._fences.forget()
        await self._follow_shards()

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
            await self._follow(shard)
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
