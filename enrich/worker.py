"""Holds its shards: reads raw entries, enriches them, writes records, then acknowledges."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from enrich import metrics
from enrich.backlog import DeadDepth, PendingDepth
from enrich.batch import Batches, Poison, by_shard
from enrich.engine import Derived
from enrich.keeping import Keeping, parts_of
from enrich.listing import LOOK_EVERY_S, Listing
from enrich.settings import EnrichOptions, EnrichSettings
from enrich.shards import Shards
from enrich.warming import warm_up
from shared.clock import Clock
from shared.errors import LeaseLost, MessageError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import pause
from shared.runtime.throttle import Throttle
from shared.streams import client, published
from shared.streams.entry import Entry
from shared.streams.settling_reader import SettlingReader
from shared.streams.writer import APPENDS_MAX, Append, StreamWriter
from shared.wire.topics import RAW_TICKS

GROUP = "enrich"
#: Waiting for a Redis that is away.
RETRY = RetryPolicy(base_s=0.05, factor=2.0, ceiling_s=1.0)
#: Entries that an owner before left unacknowledged, taken over at once: it has lost its lease.
ABANDONED_IDLE_MS = 0
#: An entry handed out more often has ended its workers: it is given up without another try.
DELIVERIES_MAX = 5

#: Raw bytes of shards whose records wait for one another, to be written together: beyond it one
#: shard's would wait longer for another's enrichment than a write of their own costs.
TOGETHER_BYTES_MAX = 64 * 1024

log = get_log()


@dataclass(frozen=True, slots=True)
class _Work:
    """Entries of one shard that were enriched."""

    shard: int
    entries: list[Entry]
    poison: list[Poison]


@dataclass(slots=True)
class _Waiting:
    """What waits to be written together, each append with its shard."""

    works: list[_Work] = field(default_factory=list)
    appends: list[tuple[int, Append]] = field(default_factory=list)
    size_bytes: int = 0


class EnrichWorker:
    """One owner of shards, one loop: lease, read, enrich, write, acknowledge."""

    def __init__(
        self, redis: client.Connection, options: EnrichOptions, owner: str, clock: Clock
    ) -> None:
        self._redis = redis
        self._options = options
        self._clock = clock
        self._shards = Shards(redis, owner=owner, options=options, clock=clock)
        self._writer = StreamWriter(redis, clock)
        self._reader = SettlingReader(
            redis, (), GROUP, owner, count_max=options.entries_max, block_ms=options.block_ms
        )
        self._batches: Batches | None = None
        derived = Derived(options.chains, options.bars)
        self._listing = Listing(redis, options.pricing, derived, clock)
        self._shard_count = 0
        self._last_due_s = 0.0
        self._last_part = 0
        self._dead = DeadDepth(redis, clock)
        self._pending = PendingDepth(redis, clock, GROUP)
        self._keeping = Keeping(redis, clock)
        self._troubles = Throttle(1.0, clock=clock)
        self._trouble = ""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`; then finish what was read and give the shards up."""
        failures = 0
        while not stopping.is_set():
            try:
                await self._turn(stopping)
                failures, self._trouble = 0, ""
            except StreamError as error:
                failures += 1
                self._start_over(str(error))
                await pause(stopping, RETRY.delay_s(failures, 0.5))
        await self._leave()

    async def ready(self) -> Check:
        """Say whether ticks can be enriched; a worker without a shard stands by."""
        if self._batches is None:
            return Check(ok=False, reason="no instruments published yet")
        if self._trouble:
            return Check(ok=False, reason=self._trouble)
        if not self._shards.held:
            return Check(ok=True, reason="standing by: every shard has an owner")
        return PASSED

    async def _turn(self, stopping: asyncio.Event) -> None:
        await self._follow_instruments()
        if self._batches is None:
            await pause(stopping, LOOK_EVERY_S / 4)
            return
        await self._shards.maintain(
            self._shard_count, taken=self._taken, lost=self._lost, giving=self._giving
        )
        metrics.SHARDS_HELD.set(len(self._shards.held))
        metrics.SHARDS_PUBLISHED.set(self._shard_count)
        await self._work(await self._read())
        await self._dead.count(self._shards.held)
        await self._pending.look(self._shards.held)

    async def _read(self) -> list[Entry]:
        """Read; while Redis is waited for, bring a part of `ticks.last` up to date where it is due.

        It is for late consumers and for whoever takes over.
        """
        assert self._batches is not None, "entries are read only once instruments are known"
        engine, now_s = self._batches.engine, self._clock.monotonic_s()
        if now_s < self._last_due_s:
            return await self._reader.read()
        parts = parts_of(len(engine.last))
        self._last_due_s = now_s + self._options.last_every_s / parts
        self._last_part = (self._last_part + 1) % parts
        # Each is waited for even if the other fails: a read that is cut off leaves entries behind.
        entries, kept = await asyncio.gather(
            self._reader.read(),
            self._keeping.put(engine, self._shards.held, self._last_part, parts),
            return_exceptions=True,
        )
        if isinstance(kept, BaseException):
            raise kept
        if isinstance(entries, BaseException):
            raise entries
        return entries

    def _start_over(self, reason: str) -> None:
        """After a trouble with Redis, be a new owner of our shards.

        What was read and not acknowledged is then claimed, a consumer group that is gone is made
        again.
        """
        self._trouble = reason
        if (suppressed := self._troubles.admit()) is not None:
            log.warning("stream.away", reason=reason, suppressed=suppressed)
        self._shards.forget_all(self._lost, reason="stream away")

    async def _follow_instruments(self) -> None:
        """Exchange the engine for one that knows newer instruments, nothing known being lost."""
        listed = await self._listing.newer()
        if listed is None:
            return
        if self._batches is not None:  # what it counted goes with it
            await self._keeping.put(self._batches.engine, self._shards.held, 0, 1)
        self._batches = Batches(listed.engine, self._clock, self._batches)
        self._shard_count = listed.shards

    async def _taken(self, shard: int) -> None:
        """Take a shard over: what is known of it first, then what was left pending."""
        assert self._batches is not None, "shards are taken only once instruments are known"
        self._batches.start(shard)
        await self._restore(shard)
        # A Redis without a disk may have lost what is known here.
        self._batches.engine.last.forget_refreshed()
        await self._reader.add(RAW_TICKS.name(shard))
        while abandoned := await self._claimed():
            log.info("shard.claimed_pending", shard=shard, entries=len(abandoned))
            fatal = [entry for entry in abandoned if entry.deliveries > DELIVERIES_MAX]
            reason = f"handed out more than {DELIVERIES_MAX} times, never acknowledged"
            await self._bury([Poison(entry, reason) for entry in fatal])
            await self._work([entry for entry in abandoned if entry.deliveries <= DELIVERIES_MAX])

    async def _claimed(self) -> list[Entry]:
        """Claim what a dead owner left, going past any number of entries that Redis has deleted."""
        while True:
            before = self._reader.missing_total
            claimed = await self._reader.claim_abandoned(ABANDONED_IDLE_MS)
            lost = self._reader.missing_total - before
            metrics.TRIMMED_UNREAD.inc(lost)
            if claimed or not lost:
                return claimed

    async def _restore(self, shard: int) -> None:
        assert self._batches is not None, "shards are taken only once instruments are known"
        engine = self._batches.engine
        due = await self._reader.oldest_due(RAW_TICKS.name(shard))
        due_ns = due.ms * 1_000_000 if due else self._clock.now_ns()
        age_max_s = self._options.pricing.underlying_age_max_s + self._options.last_every_s
        try:
            engine.restore(
                await published.get_last(self._redis, shard),
                references_since_ns=max(0, due_ns - round(age_max_s * 1e9)),
            )
            engine.restore_opening(shard, await published.get_opening_oi(self._redis, shard))
        except MessageError as error:  # of another version of ours; what ticks next replaces it
            log.warning("last.unreadable", shard=shard, reason=str(error))

    async def _giving(self, shard: int) -> None:
        """Leave the newest values of a shard behind for the worker it goes to."""
        assert self._batches is not None, "only a shard that was taken is given"
        await self._reader.settle()
        await self._keeping.put(self._batches.engine, (shard,), 0, 1)

    def _lost(self, shard: int) -> None:
        if RAW_TICKS.name(shard) in self._reader.streams:
            self._reader.remove(RAW_TICKS.name(shard))

    async def _work(self, entries: Sequence[Entry]) -> None:
        oldest_ms = min((entry.id.ms for entry in entries), default=0)
        lag_s = self._clock.now_ns() / 1e9 - oldest_ms / 1e3 if entries else 0.0
        metrics.LAG_SECONDS.set(max(0.0, lag_s))
        waiting = _Waiting()
        for shard, of_shard in by_shard(entries):
            if waiting.size_bytes > TOGETHER_BYTES_MAX:
                await self._finish(waiting)
                waiting = _Waiting()
            if self._is_ours(shard):
                self._enrich(shard, of_shard, waiting)
        await self._finish(waiting)

    def _is_ours(self, shard: int) -> bool:
        """Say whether a shard is surely ours; if not any more, stop owning it."""
        try:
            self._shards.fence(shard)
        except LeaseLost as error:
            if shard in self._shards.held:
                self._shards.forget(shard, self._lost, reason=str(error))
            return False
        return True

    def _enrich(self, shard: int, entries: list[Entry], waiting: _Waiting) -> None:
        """Enrich entries of one shard; what is to be written waits for that of other shards."""
        assert self._batches is not None, "entries are read only once instruments are known"
        size_bytes = sum(len(entry.fields.get(b"s", b"")) for entry in entries)
        self._shards.weigh(shard, size_bytes)
        lag_s = self._clock.now_ns() / 1e9 - entries[0].id.ms / 1e3
        late = lag_s > self._options.late_after_s and len(entries) > 1
        appends, poison = self._batches.enrich(shard, self._shards.fence(shard), entries, late=late)
        waiting.works.append(_Work(shard, entries, poison))
        waiting.appends += [(shard, append) for append in appends]
        waiting.size_bytes += size_bytes

    async def _finish(self, waiting: _Waiting) -> None:
        """Write what was made, then let it be acknowledged; what is not ours any more stays."""
        await self._deliver(waiting.appends)
        for work in waiting.works:
            if self._is_ours(work.shard):
                await self._bury(work.poison)
                buried = {broken.entry.id for broken in work.poison}
                self._reader.done([entry for entry in work.entries if entry.id not in buried])
                hop_s = self._clock.now_ns() / 1e9 - work.entries[-1].id.ms / 1e3
                metrics.HOP_SECONDS.observe(max(0.0, hop_s))

    async def _deliver(self, made: list[tuple[int, Append]]) -> None:
        """Write, again and again while Redis is away; writing twice is harmless, losing is not.

        What was made of a shard that somebody else may own is theirs to make: it is let go.
        """
        attempt = 0
        while made := [each for each in made if self._is_ours(each[0])]:
            try:
                await self._writer.append([append for _, append in made[:APPENDS_MAX]])
            except StreamError as error:
                attempt += 1
                self._trouble = str(error)
                if (suppressed := self._troubles.admit("deliver")) is not None:
                    log.warning("records.undelivered", reason=str(error), suppressed=suppressed)
                await asyncio.sleep(RETRY.delay_s(attempt, 0.5))
            else:
                made = made[APPENDS_MAX:]

    async def _bury(self, poison: list[Poison]) -> None:
        for broken in poison:
            metrics.LEFT_OUT.labels("poison").inc()
            log.warning("entry.poison", entry=str(broken.entry.id), reason=broken.reason)
            await self._reader.dead_letter(broken.entry, broken.reason, broken.entry.deliveries)

    async def _leave(self) -> None:
        try:
            await self._reader.settle()
            if self._batches is not None:
                await self._keeping.put(self._batches.engine, self._shards.held, 0, 1)
            await self._shards.release()
        except StreamError as error:
            log.warning("drain.incomplete", reason=str(error))
        metrics.SHARDS_HELD.set(len(self._shards.held))


async def build(settings: EnrichSettings, resources: Resources) -> EnrichWorker:
    """Wire the worker; kernels are compiled or loaded here, before it is ready."""
    options = settings.enrich
    owner = options.name or f"{socket.gethostname()}-{os.getpid()}"
    redis = await resources.enter(
        client.connect(settings.redis.ticks_url, name=f"enrich-{owner}", settings=settings.redis)
    )
    started_s = resources.clock.monotonic_s()
    resources.probe.is_doing("loading kernels, or compiling them, once, for a minute or two")
    await asyncio.to_thread(warm_up, options.pricing, Derived(options.chains, options.bars))
    log.info("kernels.warm", seconds=round(resources.clock.monotonic_s() - started_s, 2))
    worker = EnrichWorker(redis, options, owner, resources.clock)
    resources.probe.register("ticks_redis", lambda: client.ping(redis))
    resources.probe.register("shards", worker.ready)
    return worker
