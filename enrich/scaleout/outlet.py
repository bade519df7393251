"""What an owner writes: ticks to Kafka, chains, bars, dead letters to Redis, until it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from enrich import metrics
from shared.clock import Clock
from shared.errors import EntryTooLarge, PipelineError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.throttle import Throttle
from shared.streams import dead_letters
from shared.streams.client import Connection
from shared.streams.dead_letters import DeadLetter
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.kafka_entry import CARRIED
from shared.streams.writer import APPENDS_MAX, Append, StreamWriter, Writer
from shared.wire.ticks import TICK_DTYPE

#: Waiting for a log that is away.
RETRY = RetryPolicy(base_s=0.05, factor=2.0, ceiling_s=1.0)

log = get_log()


class Abandoned(PipelineError):
    """The partition was given to somebody else while its output was not written yet."""


class Outlet:
    """Writes again and again while a log is away; twice is harmless, not at all is not."""

    def __init__(self, kafka: Writer, redis: Connection, clock: Clock, *, group: str) -> None:
        self._kafka = kafka
        self._redis = redis
        self._small = StreamWriter(redis, clock)
        self._group = group
        self._troubles = Throttle(1.0, clock=clock)
        #: Why nothing can be written now, "" if it can.
        self.trouble = ""

    async def deliver(self, appends: Sequence[Append], is_ours: Callable[[], bool]) -> None:
        """Write all of it; what Kafka will never take is kept for the operator, with the reason.

        Raises:
            Abandoned: it is not ours to write any more.
        """
        carried = [append for append in appends if append.topic in CARRIED]
        small = [append for append in appends if append.topic not in CARRIED]
        for writer, part in ((self._kafka, carried), (self._small, small)):
            for start in range(0, len(part), APPENDS_MAX):
                await self._write(writer, part[start : start + APPENDS_MAX], is_ours)

    async def _write(
        self, writer: Writer, appends: Sequence[Append], is_ours: Callable[[], bool]
    ) -> None:
        try:
            await self._insist(lambda: writer.append(appends), is_ours)
        except EntryTooLarge as error:
            if len(appends) == 1:
                await self._give_up(appends[0], str(error))
                return
            # Kafka refuses a batch as a whole; one by one it shows whose fault it was.
            for append in appends:
                await self._write(writer, [append], is_ours)

    async def _give_up(self, append: Append, reason: str) -> None:
        metrics.LEFT_OUT.labels("too_large").inc()
        log.error("entry.too_large", stream=append.stream, reason=reason)
        fields = {name: bytes(value) for name, value in append.fields.items()}
        # Enriched entries have no id of their own before they are written: the raw one's does.
        first = np.frombuffer(fields[b"r"], TICK_DTYPE, count=1)[0]
        entry_id = EntryId(int(first["raw_entry_ms"]), int(first["raw_entry_sequence"]))
        await self.bury(Entry(append.stream, entry_id, fields), reason)

    async def bury(self, entry: Entry, reason: str) -> None:
        """Keep an entry that cannot be read, where the operator looks for it."""
        letter = DeadLetter(entry.stream, entry.id, self._group, reason, 1, dict(entry.fields))
        await self._insist(lambda: dead_letters.put(self._redis, letter), lambda: True)

    async def _insist(
        self, write: Callable[[], Awaitable[object]], is_ours: Callable[[], bool]
    ) -> None:
        attempt = 0
        while True:
            if not is_ours():
                raise Abandoned("the group has a new generation")
            try:
                await write()
            except EntryTooLarge:
                raise
            except StreamError as error:
                attempt += 1
                self.trouble = str(error)
                if (suppressed := self._troubles.admit()) is not None:
                    log.warning("records.undelivered", reason=str(error), suppressed=suppressed)
                await asyncio.sleep(RETRY.delay_s(attempt, 0.5))
            else:
                self.trouble = ""
                return
