"""Reads on behalf of others: from the query stream to the asker's reply stream."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec import Raw

from executor import metrics
from executor.query_settings import QuerySettings
from executor.reads.call import Found, Reading
from executor.reads.door import Address, address_of, query_of
from executor.reads.kinds import rate_of
from executor.steady import Patience
from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.runtime.supervise import contain, pause
from shared.streams.entry import Entry
from shared.streams.reader import GroupReader
from shared.wire import queries as wire
from shared.wire.orders import Reason

#: An entry held for this long without an acknowledgement fell between a read and an error.
_ABANDONED_MS: Final = 90_000
#: A query handed out so often ended the process that read it: it is not tried again.
_DELIVERIES_MAX: Final = 3
_WRITES_MAX: Final = 5
_WRITE_AGAIN_S: Final = 0.3

#: Writes a reply for a client.
Put = Callable[[str, wire.Reply], Awaitable[None]]


class Queries:
    """Answers queries side by side; nothing here is waited for by orders, no bug here ends them."""

    def __init__(  # noqa: PLR0913  # what it reads, asks, writes; for whom
        self,
        *,
        account: str,
        reader: GroupReader,
        reading: Reading,
        put: Put,
        trim: Callable[[], Awaitable[int]],
        clock: Clock,
        patience: Patience,
        settings: QuerySettings,
    ) -> None:
        self._account = account
        self._reader = reader
        self._reading = reading
        self._put = put
        self._trim = trim
        self._clock = clock
        self._patience = patience
        self._settings = settings
        self._in_flight: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._next_rescue_s = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Answer until `stopping`; what is being asked then has a little time to be answered.

        What is not answered stays in the stream for the next process.
        """
        attempt = 0
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                try:
                    await self._step(group)
                    attempt = 0
                except StreamError as error:
                    # Not the executor's patience: a failure here closes no bar of orders.
                    attempt += 1
                    metrics.FAILURES.labels(of="queries").inc()
                    self._patience.log.warning("queries.read_failed", error=str(error))
                    chance = self._patience.random.random()
                    await pause(stopping, self._patience.policy.delay_s(attempt, chance))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._settings.drain_s)
            for task in self._tasks:
                task.cancel()

    async def _step(self, group: asyncio.TaskGroup) -> None:
        entries: list[Entry] = []
        if self._clock.monotonic_s() >= self._next_rescue_s:
            await self._reader.ensure()
            # The first time whatever an earlier process held: this one holds nothing yet.
            idle_ms = 0 if not self._next_rescue_s else _ABANDONED_MS
            entries = await self._reader.claim_abandoned(idle_ms)
            await self._trim()
            self._next_rescue_s = self._clock.monotonic_s() + _ABANDONED_MS / 1000
        for entry in entries or await self._reader.read():
            work = contain(self._answer(entry), partial(self._give_up_on_bug, entry))
            task = group.create_task(work, name=f"query {entry.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, entry: Entry) -> None:
        try:
            query = query_of(entry.fields)
        except MessageError as error:
            await self._refuse_malformed(entry, str(error))
            return
        if entry.deliveries > _DELIVERIES_MAX:
            await self._dead_letter(entry, f"not answered after {entry.deliveries} deliveries")
            return
        began_s = self._clock.monotonic_s()
        outcome, rate = await self._outcome(entry, query), rate_of(query)
        metrics.QUERY_S.labels(rate=rate).observe(self._clock.monotonic_s() - began_s)
        kind = wire.kind_of(query)
        metrics.QUERIES.labels(kind=kind, outcome=_word(outcome)).inc()
        await self._tell(entry, query.client, self._reply(query.query_id, kind, outcome))

    async def _outcome(self, entry: Entry, query: wire.Query) -> Found | Reason:
        left_s = self._left_s(entry, query)
        if left_s <= 0:
            return Reason(code="deadline_passed", sentence="the deadline passed before it was read")
        rate = rate_of(query)
        if self._in_flight[rate] >= self._settings.in_flight_max:
            return Reason(
                code="busy",
                sentence=f"too many queries of rate class {rate} are waiting: ask later",
                limit=str(self._settings.in_flight_max),
            )
        self._in_flight[rate] += 1
        metrics.QUERIES_WAITING.labels(rate=rate).inc()
        try:
            return await self._reading.read(query, self._clock.monotonic_s() + left_s)
        finally:
            self._in_flight[rate] -= 1
            metrics.QUERIES_WAITING.labels(rate=rate).dec()

    def _left_s(self, entry: Entry, query: wire.Query) -> float:
        now_us = self._clock.now_ns() // 1000
        deadline_us = query.deadline_us
        if deadline_us is None:
            deadline_us = entry.id.ms * 1000 + round(self._settings.deadline_s * 1e6)
        return min((deadline_us - now_us) / 1e6, self._settings.deadline_s_max)

    def _reply(self, query_id: str, kind: str, outcome: Found | Reason) -> wire.Reply:
        at_us = self._clock.now_ns() // 1000
        if isinstance(outcome, Reason):
            return wire.Reply(
                query_id=query_id, kind=kind, account=self._account, ok=False, at_us=at_us,
                error=outcome,
            )  # fmt: skip
        answer = outcome.answer
        return wire.Reply(
            query_id=query_id,
            kind=kind,
            account=self._account,
            ok=True,
            at_us=at_us,
            data=Raw(answer.data),
            as_of_us=answer.as_of_us,
            cached=outcome.is_cached,
        )

    async def _tell(self, entry: Entry, client: str, reply: wire.Reply) -> None:
        """Write the reply, then acknowledge; a Redis that is away is tried again a few times."""
        for attempt in range(1, _WRITES_MAX + 1):
            try:
                await self._put(client, reply)
                await self._reader.acknowledge([entry])
            except StreamError as error:
                self._patience.log.warning(
                    "query.reply_failed", client=client, attempt=attempt, error=str(error)
                )
                await asyncio.sleep(_WRITE_AGAIN_S * attempt)
            else:
                return
        metrics.QUERIES.labels(kind=reply.kind, outcome="reply_lost").inc()

    async def _refuse_malformed(self, entry: Entry, sentence: str) -> None:
        metrics.QUERIES.labels(kind="", outcome="malformed").inc()
        address = address_of(entry.fields)
        await self._dead_letter(entry, sentence)
        if address is not None:
            await self._tell_malformed(address, sentence)

    async def _tell_malformed(self, address: Address, sentence: str) -> None:
        reason = Reason(code="malformed", sentence=sentence)
        kind = address.kind if address.kind in wire.KINDS else ""
        try:
            await self._put(address.client, self._reply(address.query_id, kind, reason))
        except StreamError as error:
            self._patience.log.warning(
                "query.reply_failed", client=address.client, attempt=1, error=str(error)
            )

    async def _dead_letter(self, entry: Entry, reason: str) -> None:
        try:
            await self._reader.dead_letter(entry, reason, entry.deliveries)
        except StreamError as error:
            self._patience.log.warning("query.dead_letter_failed", error=str(error))
            return  # still pending: taken up again later
        metrics.DEAD.labels(stream="queries").inc()

    def _give_up_on_bug(self, entry: Entry, error: Exception) -> None:
        metrics.FAILURES.labels(of="query").inc()
        self._patience.log.error("query.failed", entry=str(entry.id), exc_info=error)


def _word(outcome: Found | Reason) -> str:
    if isinstance(outcome, Reason):
        return outcome.code
    return "cached" if outcome.is_cached else "answered"
