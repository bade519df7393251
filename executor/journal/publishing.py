"""Committed events, from the journal to their stream, in order, at least once."""

from __future__ import annotations

import asyncio

from executor.crash import CrashPoint
from executor.desk import Desk
from executor.journal.hints import Hints
from executor.metrics import EVENTS
from shared.streams.writer import Append, StreamWriter
from shared.wire.codec import JSON_FIELD
from shared.wire.topics import EVENTS as EVENTS_TOPIC

#: How often the outbox is looked at without being told that something is there.
_LOOK_S = 1.0
#: Events of a command's first steps go out together, after the command rather than before it.
_GATHER_S = 0.003
#: Where many came at once more are on their way: a write costs the same for all of them.
_GATHER_MANY_S = 0.02
_MANY = 16


class Publisher:
    """The one writer of the account's event stream."""

    def __init__(self, *, desk: Desk, writer: StreamWriter, hints: Hints, events_max: int) -> None:
        self._hints = hints
        self._journal = desk.journal
        self._writer = writer
        self._account = desk.account
        self._events_max = events_max
        self._crash_point = desk.crash_point
        self._newest_count = 0

    async def step(self) -> None:
        """Wait for committed events, publish them all.

        Raises:
            StoreError: PostgreSQL is away.
            StreamError: Redis is away; what was written may be written again, under its number.
        """
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._journal.events_waiting.wait()
        except TimeoutError:
            pass  # an event may have been committed by a change whose end nobody saw
        else:
            is_busy = self._newest_count >= _MANY
            await asyncio.sleep(_GATHER_MANY_S if is_busy else _GATHER_S)
        await self.flush()

    async def flush(self) -> None:
        """Publish whatever is committed and not marked as published; raises as `step` does."""
        self._journal.events_waiting.clear()
        await self._hints.tell()
        are_more = True
        while are_more:
            events = await self._journal.unpublished(self._events_max)
            self._newest_count = len(events)
            if not events:
                return
            self._crash_point(CrashPoint.BEFORE_PUBLISH)
            await self._writer.append(
                [
                    Append(EVENTS_TOPIC, self._account, {JSON_FIELD: event.payload})
                    for event in events
                ]
            )
            self._crash_point(CrashPoint.BEFORE_MARK)
            await self._journal.mark_published(events[-1].sequence)
            EVENTS.inc(len(events))
            are_more = len(events) == self._events_max
