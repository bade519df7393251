"""What the publisher reads from the streams, one read at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from publisher import metrics, walk
from publisher.batches import Fences, decode_batch
from publisher.desk import Desk
from publisher.flow import Source
from publisher.messages import GapNotice
from publisher.universe import Universe
from shared.clock import Clock
from shared.errors import MessageError
from shared.runtime.logs import Log
from shared.runtime.throttle import Throttle
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from shared.streams.reader import TailReader
from shared.streams.tails import Tail
from shared.wire import codec, topics
from shared.wire.control import Control, Gap

Wake = Callable[[Iterable[int]], None]

#: Entries of one read of one stream; one of ticks holds up to some thousand records.
TICK_ENTRIES_MAX = 16
MESSAGE_ENTRIES_MAX = 256
#: Before anybody has published a shard map there is one shard.
_SHARDS_UNPUBLISHED = 1
_MALFORMED_LINES_PER_S = 1.0


class Feed(Protocol):
    """A source that is read for ever; both methods raise StreamError while Redis is away."""

    name: str

    async def begin(self) -> None:
        """Bring the hub up to now, after a start as after an outage."""
        ...

    async def step(self) -> None:
        """Wait for something new, at most one block; hand it on."""
        ...


class Malformed:
    """Counts and tells entries that do not decode; one is never reason to stop."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._throttle = Throttle(_MALFORMED_LINES_PER_S, clock=clock)

    def note(self, entry: Entry, error: MessageError) -> None:
        """Take note of one."""
        metrics.MALFORMED.labels(stream=entry.stream.partition(".v")[0]).inc()
        suppressed = self._throttle.admit(entry.stream)
        if suppressed is not None:
            self._log.warning(
                "entry.malformed",
                stream=entry.stream,
                id=str(entry.id),
                reason=str(error),
                suppressed=suppressed,
            )


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where every feed puts what it read."""

    desk: Desk
    wake: Wake
    malformed: Malformed
    clock: Clock
    log: Log


class Catalogue:
    """What is published of the market: the instruments, the number of shards."""

    def __init__(self, redis: Connection, outlet: Outlet) -> None:
        self._redis = redis
        self._desk = outlet.desk
        self._wake = outlet.wake
        self._log = outlet.log
        #: Hints and the regular look may coincide; the later one must not be overtaken.
        self._looking = asyncio.Lock()
        self.shards = _SHARDS_UNPUBLISHED

    @property
    def universe(self) -> Universe:
        """Return the published instruments as last read."""
        return self._desk.universe

    async def refresh(self, *, is_forced: bool = False) -> None:
        """Look whether something else is published now; `is_forced` reads it in any case.

        Raises:
            StreamError: Redis refused or vanished.
        """
        async with self._looking:
            await self._look(is_forced=is_forced)

    async def _look(self, *, is_forced: bool) -> None:
        try:
            shard_map = await published.get_shard_map(self._redis)
            if shard_map is not None:
                self.shards = shard_map.shards
            version = await published.get_instruments_version(self._redis)
            if is_forced or version != self._desk.universe.version:
                await self._read_instruments()
        except MessageError as error:
            # What is held stays good; whoever publishes has to be told.
            self._log.error("catalogue.malformed", reason=str(error))

    async def _read_instruments(self) -> None:
        version, records = await published.get_instruments(self._redis)
        if not len(records) and self._desk.universe.version:
            # A Redis that came back empty: what is held stays good until somebody publishes again.
            return
        # 120,000 instruments take a few tenths of a second, which the subscribers need not wait.
        everything = np.concatenate([records, walk.listed()])
        universe = await asyncio.to_thread(Universe, everything, version=version)
        self._wake(self._desk.publish(universe))
        self._log.info("instruments.read", version=version, instruments=len(universe))


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
        self._catalogue = catalogue
        self._hub = outlet.desk.hub
        self._wake = outlet.wake
        self._malformed = outlet.malformed
        self._clock = outlet.clock
        self._overlap_ms = round(overlap_s * 1000)
        self._fences = Fences()
        self._followed = 0
        self._reader = reader

    async def begin(self) -> None:
        """Take up shards that are new; a Redis that was away may count its fences anew."""
        self._fences.forget()
        await self._follow_shards()

    async def step(self) -> None:
        """Read the shards once."""
        if self._catalogue.shards > self._followed:
            await self._follow_shards()
        for entry in await self._reader.read():
            self._take(entry)

    async def _follow_shards(self) -> None:
        for shard in range(self._followed, self._catalogue.shards):
            stream = topics.ENRICHED_TICKS.name(shard)
            newest = await self._reader.newest(stream)
            # Last values are up to a second old: the stream is read again from before them; what
            # comes twice that way is older than what is held, so the hub leaves it out.
            self._apply(await published.get_last(self._redis, shard))
            begin = EntryId(max(0, newest.ms - self._overlap_ms), 0)
            self._hub.begin_shard(str(shard), str(begin), is_empty=newest == BEFORE_ALL)
            self._reader.add(stream, begin)
            self._followed = shard + 1

    def _take(self, entry: Entry) -> None:
        try:
            batch = decode_batch(entry.fields)
        except MessageError as error:
            self._malformed.note(entry, error)
            return
        if not self._fences.admit(batch.shard, batch.fence):
            metrics.RECORDS_LEFT_OUT.labels(reason="fenced").inc(len(batch.records))
            return
        self._apply(batch.records, Source(str(batch.shard), str(entry.id)))
        if len(batch.records):
            newest_ns = int(batch.records["received_at_ns"].max())
            metrics.RECORD_AGE.observe(max(0, self._clock.now_ns() - newest_ns) / 1e9)

    def _apply(self, records: published.Records, source: Source | None = None) -> None:
        moved = self._hub.apply(records, source)
        self._wake(moved.wake)
        metrics.RECORDS.inc(len(moved.applied.slots))
        metrics.PAIRS.inc(moved.pairs)
        if moved.applied.late:
            metrics.RECORDS_LEFT_OUT.labels(reason="late").inc(moved.applied.late)
        if moved.applied.over:
            metrics.RECORDS_LEFT_OUT.labels(reason="instruments_max").inc(moved.applied.over)


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
