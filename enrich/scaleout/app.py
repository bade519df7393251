"""Enrichment on Kafka: Faust assigns partitions, each an engine; the output first, then a commit.

Start and end are those of every worker (`python -m enrich`, with `ticks.backend` kafka).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import faust
from faust.types import TP, EventT

from enrich import metrics
from enrich.backlog import DeadDepth
from enrich.batch import Poison
from enrich.engine import Derived
from enrich.keeping import PARTS_MIN, Keeping
from enrich.listing import LOOK_EVERY_S, Listing, Published
from enrich.scaleout.hosting import (
    APP_ID,
    BUFFER_MESSAGES,
    committed_of,
    faust_app,
    raw_topic,
)
from enrich.scaleout.inbox import Inbox
from enrich.scaleout.outlet import Abandoned, Outlet
from enrich.scaleout.partition import Held, Made, Workshop
from enrich.scaleout.watch import Watch
from enrich.settings import EnrichOptions, EnrichSettings
from enrich.warming import warm_up
from enrich.worker import GROUP
from shared.clock import Clock
from shared.errors import StreamError
from shared.runtime.logs import get_log
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import contain, pause, supervise
from shared.runtime.throttle import Throttle
from shared.streams import client
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.kafka_client import ensure_topics
from shared.streams.kafka_entry import Place, to_entry
from shared.streams.kafka_settings import KafkaSettings
from shared.streams.kafka_writer import KafkaWriter, open_writer
from shared.wire.topics import RAW_TICKS

#: Longest wait for Faust to finish what was taken, commit it and leave the group.
STOP_S = 8.0

log = get_log()

Event = EventT[Any]


class ScaleoutWorker:
    """One member of the group: takes batches, enriches them, writes them, lets Faust commit."""

    def __init__(
        self,
        settings: EnrichSettings,
        redis: Connection,
        writer: KafkaWriter,
        clock: Clock,
    ) -> None:
        self._kafka: KafkaSettings = settings.kafka
        self._options: EnrichOptions = settings.enrich
        self._redis = redis
        self._clock = clock
        derived = Derived(settings.enrich.chains, settings.enrich.bars)
        self._listing = Listing(redis, settings.enrich.pricing, derived, clock)
        self._outlet = Outlet(writer, redis, clock, group=GROUP)
        self._workshop: Workshop | None = None
        self._held: dict[int, Held] = {}
        self._app: faust.App | None = None
        self._watch: Watch | None = None
        self._failure: Exception | None = None
        self._troubles = Throttle(1.0, clock=clock)
        self._keeping = Keeping(redis, clock)
        self._dead = DeadDepth(redis, clock)
        self._working = asyncio.Lock()
        self._inbox: Inbox[Event] = Inbox(BUFFER_MESSAGES)
        self._stream: Any = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`; then finish what was taken, commit it, leave the group."""
        listed = await self._first_listed(stopping)
        if listed is None:
            return
        self._workshop = Workshop(listed, self._options, self._redis, self._clock)
        async with self._hosted() as app:
            self._watch = Watch(app, self._held, self._options.stall_after_s, self._clock)
            async with asyncio.TaskGroup() as group:
                supervise(group, self._oversee(stopping), name="watch", stopping=stopping)
                supervise(group, self._keep_last(stopping), name="last", stopping=stopping)
                supervise(group, self._follow(stopping), name="instruments", stopping=stopping)
        await self._put_last(0, 1)

    async def ready(self) -> Check:
        """Say whether ticks can be enriched; a worker without a partition stands by."""
        if self._workshop is None:
            return Check(ok=False, reason="no instruments published yet")
        if self._failure is not None:
            return Check(ok=False, reason=str(self._failure))
        if self._watch is None or not self._watch.assigned:
            return Check(ok=False, reason="no assignment yet")
        if self._outlet.trouble:
            return Check(ok=False, reason=self._outlet.trouble)
        if not self._watch.partitions:
            return Check(ok=True, reason="standing by: every partition has an owner")
        return PASSED

    async def _first_listed(self, stopping: asyncio.Event) -> Published | None:
        while not stopping.is_set():
            try:
                if (listed := await self._listing.newer_published()) is not None:
                    await ensure_topics(self._kafka, listed.shards, APP_ID)
                    return listed
            except StreamError as error:
                self._listing.forget()
                self._complain("start.waiting", error)
            await pause(stopping, LOOK_EVERY_S / 4)
        return None

    @asynccontextmanager
    async def _hosted(self) -> AsyncIterator[faust.App]:
        app = faust_app(self._kafka, self._options, self._positions)
        app.agent(raw_topic(app), name="enrich")(self._agent)
        app.finalize()
        self._app = app
        working = asyncio.create_task(contain(self._work_on(), self._note), name="work")
        try:
            await app.start()
            yield app
        finally:
            try:
                async with asyncio.timeout(STOP_S):
                    await app.stop()
                    for held in tuple(self._held.values()):
                        await held.line.settle()
            finally:
                working.cancel()
                await asyncio.wait({working})

    def _positions(self) -> Mapping[int, int]:
        """Return what may be committed: of what we hold now, what is delivered."""
        return {
            partition: held.ledger.delivered
            for partition, held in self._held.items()
            if self._is_ours(held)
        }

    async def _agent(self, stream: Any) -> None:
        # Acknowledged once written; it is `_positions` that decides what is committed.
        stream.enable_acks = False
        self._stream = stream
        async for event in stream.events():
            await self._inbox.put(event)

    async def _work_on(self) -> None:
        while True:
            await self._work(await self._inbox.take(self._options.entries_max), self._stream)

    async def _work(self, events: Sequence[Event], stream: Any) -> None:
        by_partition: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            by_partition[event.message.partition].append(event)
        async with self._working:
            for partition, of_partition in by_partition.items():
                await self._work_partition(partition, of_partition, stream)

    async def _work_partition(self, partition: int, events: Sequence[Event], stream: Any) -> None:
        assert self._app is not None
        held: Held | None = None
        fresh: list[Event] = []
        generation = events[-1].message.generation_id or 0
        if generation == self._app.consumer_generation_id:
            current = [e for e in events if e.message.generation_id == generation]
            held = await self._owned(partition, current[0], generation)
            fresh = [event for event in current if held.ledger.admit(event.message.offset)]
            metrics.KAFKA_SEEN.inc(len(current) - len(fresh))
        for event in events:
            if event not in fresh:  # by identity: events are equal to nothing else
                await stream.ack(event)
        if held is not None and fresh:
            await self._enrich(held, fresh, stream)

    async def _enrich(self, held: Held, events: Sequence[Event], stream: Any) -> None:
        """Make what these messages become; it is written while the next ones are worked on."""
        assert self._workshop is not None
        await held.line.room()
        entries = [_entry(event) for event in events]
        appends, poison = self._workshop.enrich(held, entries, self._clock.now_ns())
        made = Made(appends, poison, events[-1].message.offset + 1, entries[-1].id.ms)

        async def deliver(is_open: bool) -> bool:
            is_delivered = is_open and await contain(self._deliver(held, made), self._note)
            for event in events:
                await stream.ack(event)
            return is_delivered

        held.line.add(deliver)

    async def _deliver(self, held: Held, made: Made) -> None:
        """Write a batch, then note that it is written.

        Raises:
            Abandoned: the partition is not ours to write any more.
        """
        try:
            await self._outlet.deliver(made.appends, lambda: self._is_ours(held))
        except Abandoned:
            # What the engine knows by now is ahead of what was delivered.
            if self._held.get(held.ledger.partition) is held:
                del self._held[held.ledger.partition]
            raise
        await self._bury(made.poison)
        held.ledger.deliver(made.end)
        held.newest_ms = made.newest_ms
        metrics.HOP_SECONDS.observe(max(0.0, self._clock.now_ns() / 1e9 - held.newest_ms / 1e3))

    def _note(self, error: Exception) -> None:
        """Remember what failed; but for a partition that moved, it ends us."""
        if isinstance(error, Abandoned):
            log.info("shard.abandoned", reason=str(error))
        else:
            self._failure = error

    async def _bury(self, poison: Sequence[Poison]) -> None:
        for broken in poison:
            metrics.LEFT_OUT.labels("poison").inc()
            log.warning("entry.poison", entry=str(broken.entry.id), reason=broken.reason)
            await self._outlet.bury(broken.entry, broken.reason)

    def _is_ours(self, held: Held) -> bool:
        assert self._app is not None
        return held.generation == self._app.consumer_generation_id

    async def _owned(self, partition: int, first: Event, generation: int) -> Held:
        """Return what we hold of a partition, taken over where somebody else had it."""
        assert self._workshop is not None
        held = self._held.get(partition)
        if held is not None and held.generation == generation:
            return held
        offset = first.message.offset
        if held is not None:
            # What is on its way from the generation before gets written, or given up with what
            # we know; only then can be told where we stand.
            await held.line.settle()
            if self._held.get(partition) is held and held.ledger.continues_at(offset):
                await self._workshop.keep(held, generation)
                return held
        begin = await self._begin_of(partition, offset)
        made = await self._workshop.begin(partition, begin, generation, _written_ms(first))
        self._held[partition] = made
        return made

    async def _begin_of(self, partition: int, offset: int) -> int:
        """Return the offset at which a taken-over partition has to begin.

        What the group has committed decides, or retention where that is gone; if something else
        comes first, the ledger refuses it.
        """
        assert self._app is not None
        place = TP(RAW_TICKS.prefix, partition)
        committed = committed_of(self._app, partition)
        earliest = (await self._app.consumer.earliest_offsets(place))[place]
        if committed and earliest > committed:
            metrics.KAFKA_TRUNCATED.inc(earliest - committed)
            log.error("messages.truncated", shard=partition, messages=earliest - committed)
        if not committed:
            # The group began where the log began, which may have moved since.
            return min(earliest, offset)
        return max(committed, earliest)

    async def _oversee(self, stopping: asyncio.Event) -> None:
        """Look every second: a dead agent, a commit ahead of the work, a stand-still end us."""
        assert self._watch is not None
        while not await pause(stopping, 1.0):
            if self._failure is not None:
                raise self._failure
            await self._watch.look()
            try:
                await self._dead.count(self._watch.partitions)
            except StreamError as error:
                self._complain("dead_letters.uncounted", error)

    async def _follow(self, stopping: asyncio.Event) -> None:
        while not await pause(stopping, LOOK_EVERY_S):
            try:
                listed = await self._listing.newer_published()
            except StreamError as error:
                self._complain("instruments.unread", error)
                continue
            if listed is not None:
                assert self._workshop is not None
                async with self._working:
                    await self._workshop.exchange(listed, self._held)

    async def _keep_last(self, stopping: asyncio.Event) -> None:
        """Bring a part of ticks.last up to date, for late consumers and for whoever takes over."""
        part = 0
        while not await pause(stopping, self._options.last_every_s / PARTS_MIN):
            part = (part + 1) % PARTS_MIN
            await self._put_last(part, PARTS_MIN)

    async def _put_last(self, part: int, parts: int) -> None:
        assert self._app is not None
        for shard, held in tuple(self._held.items()):
            if held.generation != self._app.consumer_generation_id:
                continue
            engine = held.batches.engine
            try:
                await self._keeping.put(engine, (shard,), part, parts)
            except StreamError as error:
                self._complain("last.unkept", error)
                engine.last.forget_refreshed()

    def _complain(self, event: str, error: StreamError) -> None:
        if (suppressed := self._troubles.admit(event)) is not None:
            log.warning(event, reason=str(error), suppressed=suppressed)


def _written_ms(event: Event) -> int:
    return round(event.message.timestamp * 1000)


def _entry(event: Event) -> Entry:
    message = event.message
    headers = message.headers or ()
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    place = Place(message.topic, message.partition)
    return to_entry(place, message.offset, _written_ms(event), message.value or b"", pairs)


async def build(settings: EnrichSettings, resources: Resources) -> ScaleoutWorker:
    """Wire the worker; kernels are compiled or loaded here, before it is ready."""
    options, clock = settings.enrich, resources.clock
    owner = options.name or f"{socket.gethostname()}-{os.getpid()}"
    redis = await resources.enter(
        client.connect(settings.redis.ticks_url, name=f"enrich-{owner}", settings=settings.redis)
    )
    writer = await resources.enter(open_writer(settings.kafka, clock, name=f"{APP_ID}-{owner}"))
    started_s = clock.monotonic_s()
    await asyncio.to_thread(warm_up, options.pricing, Derived(options.chains, options.bars))
    log.info("kernels.warm", seconds=round(clock.monotonic_s() - started_s, 2))
    worker = ScaleoutWorker(settings, redis, writer, clock)
    resources.probe.register("ticks_redis", lambda: client.ping(redis))
    resources.probe.register("kafka", writer.ping)
    resources.probe.register("shards", worker.ready)
    return worker
