"""What an owner knows of one partition: an engine of its shard alone, its place in the log."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from enrich import metrics
from enrich.batch import Batches, Poison
from enrich.engine import Derived, Engine
from enrich.listing import Published
from enrich.scaleout.deliveries import Deliveries
from enrich.scaleout.ledger import Ledger
from enrich.settings import EnrichOptions
from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.streams import leases, published
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.writer import Append

#: Tries to read what a former owner knew. Beyond them a shard begins with nothing: rows carry a
#: status until their inputs have ticked.
RESTORE_TRIES = 3
#: Where the fencing numbers of partitions are counted, beside those of leases.
FENCES = "enrich.kafka"
RETRY = RetryPolicy(base_s=0.05, factor=2.0, ceiling_s=1.0)

log = get_log()


@dataclass(frozen=True, slots=True)
class Made:
    """What some messages of a partition became: to be written, to be given up."""

    appends: list[Append]
    poison: list[Poison]
    #: The offset behind the last of them.
    end: int
    #: When the newest of them was written, Unix milliseconds.
    newest_ms: int


@dataclass(slots=True)
class Held:
    """One partition in one generation of the group; consumers ignore what a lower fence wrote."""

    ledger: Ledger
    batches: Batches
    generation: int
    fence: int
    #: When the newest message that was delivered was written, Unix milliseconds.
    newest_ms: int = 0
    line: Deliveries = field(default_factory=Deliveries)


class Workshop:
    """Makes and keeps the engines of partitions."""

    def __init__(
        self, listed: Published, options: EnrichOptions, redis: Connection, clock: Clock
    ) -> None:
        self._owner = options.name or f"{socket.gethostname()}-{os.getpid()}"
        self._listed = listed
        self._options = options
        self._redis = redis
        self._clock = clock

    async def begin(self, partition: int, offset: int, generation: int, first_ms: int) -> Held:
        """Take a partition over: what was known of it first.

        `first_ms` is when its first message was written: older references are not restored.
        """
        started_s = self._clock.monotonic_s()
        batches = Batches(await self._engine(partition), self._clock)
        batches.start(partition)
        fence = await self._fence(partition)
        restored = await self._restore(batches.engine, partition, first_ms)
        # A Redis without a disk may have lost what is known here.
        batches.engine.last.forget_refreshed()
        metrics.KAFKA_TAKEN_OVER.inc()
        took_s = self._clock.monotonic_s() - started_s
        metrics.KAFKA_RESTORE_SECONDS.observe(took_s)
        log.info(
            "shard.taken",
            shard=partition,
            fence=fence,
            offset=offset,
            restored=restored,
            seconds=round(took_s, 3),
        )
        return Held(Ledger(partition, offset), batches, generation, fence)

    async def keep(self, held: Held, generation: int) -> None:
        """Go on with a partition in a new generation: nobody else has worked on it meanwhile."""
        held.fence = await self._fence(held.ledger.partition)
        held.generation = generation

    async def exchange(self, listed: Published, held: dict[int, Held]) -> None:
        """Go on with newer instruments, nothing known being lost."""
        self._listed = listed
        for partition, each in held.items():
            engine = await self._engine(partition)
            each.batches = Batches(engine, self._clock, each.batches)

    def enrich(
        self, held: Held, entries: Sequence[Entry], now_ns: int
    ) -> tuple[list[Append], list[Poison]]:
        """Return what is to be written for these entries, and what could not be read."""
        lag_s = now_ns / 1e9 - entries[0].id.ms / 1e3
        metrics.LAG_SECONDS.set(max(0.0, lag_s))
        late = lag_s > self._options.late_after_s and len(entries) > 1
        return held.batches.enrich(held.ledger.partition, held.fence, entries, late=late)

    async def _engine(self, partition: int) -> Engine:
        options, listed = self._options, self._listed
        records = listed.records[listed.records["shard"] == partition]
        derived = Derived(options.chains, options.bars)
        return await asyncio.to_thread(Engine, records, listed.version, options.pricing, derived)

    async def _fence(self, partition: int) -> int:
        """Return a number above those of all owners before.

        The group's generations would start from 1 again with a new group, and lie below the fences
        of leases; without Redis our clock must do, as leases count from the Unix second, too.
        """
        try:
            return await leases.advance(self._redis, f"{FENCES}.{partition}", self._owner)
        except StreamError as error:
            log.warning("fence.by_clock", shard=partition, reason=str(error))
            return self._clock.now_ns() // 1_000_000_000

    async def _restore(self, engine: Engine, partition: int, first_ms: int) -> int:
        since_ns = first_ms * 1_000_000 - round(self._options.pricing.underlying_age_max_s * 1e9)
        for attempt in range(1, RESTORE_TRIES + 1):
            try:
                records = await published.get_last(self._redis, partition)
            except StreamError as error:
                log.warning("last.unread", shard=partition, reason=str(error))
                await asyncio.sleep(RETRY.delay_s(attempt, 0.5))
            except MessageError as error:  # of another version of ours; what ticks next replaces it
                log.warning("last.unreadable", shard=partition, reason=str(error))
                return 0
            else:
                engine.restore(records, references_since_ns=max(0, since_ns))
                await self._restore_opening(engine, partition)
                return len(records)
        return 0

    async def _restore_opening(self, engine: Engine, partition: int) -> None:
        try:
            opening = await published.get_opening_oi(self._redis, partition)
        except (StreamError, MessageError) as error:  # changes count from what ticks next
            log.warning("opening.unread", shard=partition, reason=str(error))
        else:
            engine.restore_opening(partition, opening)
