"""The life of one account's executor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from executor.broker.account import HeldAccount
from executor.commands.dispatch import Dispatcher
from executor.commands.intake import Intake
from executor.commands.watchdog import Watchdog
from executor.desk import Desk
from executor.gate import Bar
from executor.housekeeping import Housekeeping
from executor.journal.publishing import Publisher
from executor.lookup.following import is_parent
from executor.lookup.missed import MissedUpdates
from executor.lookup.postbacks import Postbacks
from executor.lookup.reconcile import Reconciler
from executor.lookup.syncing import Syncing
from executor.lookup.updates import Updates
from executor.market.instruments import Instruments
from executor.market.price_questions import Questions
from executor.reads.queries import Queries
from executor.rules.backlog import Backlog
from executor.rules.lifecycle import UNSENT
from executor.seating import Seating
from executor.warming import Warming
from shared.runtime.supervise import pause, supervise

#: How often the published instruments are asked for a newer version.
_INSTRUMENTS_S: Final = 30.0
#: How often a worker without the seat looks whether it has it.
_SEAT_S: Final = 0.02
#: How often commands that the journal has taken leave their stream.
_TRIM_S: Final = 60.0
#: How often a full backlog is looked at again.
_FULL_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an executor is made of."""

    desk: Desk
    account: HeldAccount
    backlog: Backlog
    seating: Seating
    intake: Intake
    updates: Updates
    warming: Warming
    missed: MissedUpdates
    postbacks: Postbacks
    dispatcher: Dispatcher
    reconciler: Reconciler
    publisher: Publisher
    syncing: Syncing
    questions: Questions
    queries: Queries
    housekeeping: Housekeeping
    instruments: Instruments
    watchdog: Watchdog
    trim: Callable[[], Awaitable[int]]
    work: asyncio.Event
    backlog_max: int


class ExecutorWorker:
    """Takes the seat, doubts what was being sent, then works until it is stopped."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; what is on its way then is finished first.

        Raises:
            LeaseLost: another executor traded for the account.
        """
        parts = self._parts
        released = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relay(stopping), name="relay of stopping")
            group.create_task(parts.seating.run(released), name="seat")
            # With another token the book is looked at again, which ends what a dead one began.
            logins = parts.account.run(parts.desk.look_soon, stopping)
            supervise(group, logins, name="account", stopping=stopping)
            try:
                if await self._begin(stopping):
                    await self._work(stopping)
            finally:
                # The seat goes last: whatever was still being recorded needed it.
                released.set()

    async def _begin(self, stopping: asyncio.Event) -> bool:
        """Do what must be done before anything is read; False where stopping comes first."""
        parts, patience = self._parts, self._parts.desk.patience
        # A spare does this long before it has the seat.
        await parts.warming.run()
        while not parts.seating.taken.is_set():
            if await pause(stopping, _SEAT_S):
                return False
        steps: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("doubt", parts.reconciler.doubt_what_was_sending),
            ("load", self._load),
            ("count", self._count),
            ("take over updates", parts.updates.take_over),
            ("take over commands", parts.intake.take_over),
        )
        for name, step in steps:
            if not await patience.until_done(step, name=name, stopping=stopping):
                return False
        patience.gate.open(Bar.STORE, Bar.STREAMS)
        return True

    async def _work(self, stopping: asyncio.Event) -> None:
        parts, patience = self._parts, self._parts.desk.patience
        loops = {
            "commands": patience.repeat(
                self._read_commands, name="commands", stopping=stopping, opens=Bar.STREAMS
            ),
            "updates": patience.repeat(parts.updates.step, name="updates", stopping=stopping),
            "postbacks": patience.repeat(parts.postbacks.step, name="postbacks", stopping=stopping),
            "missed updates": parts.missed.run(stopping),
            "events": patience.repeat(
                parts.publisher.step, name="events", stopping=stopping, opens=Bar.STORE
            ),
            "queries": parts.queries.run(stopping),
            "price questions": parts.questions.run(stopping),
            "turns": parts.desk.pace.run(stopping),
            "instruments": self._refresh(stopping),
            "trim": patience.repeat(self._trim, name="trim", stopping=stopping),
            "book": parts.reconciler.run(stopping),
            "positions": parts.syncing.run(stopping),
            "watchdog": patience.repeat(parts.watchdog.step, name="watchdog", stopping=stopping),
            "egress": parts.desk.egress.run(stopping),
            "dispatch": parts.dispatcher.run(stopping),
        }
        async with asyncio.TaskGroup() as group:
            for name, loop in loops.items():
                supervise(group, loop, name=name, stopping=stopping)
        await patience.tried(parts.publisher.flush, name="last events")

    async def _load(self) -> None:
        """Take up what earlier processes claimed and did not send."""
        parts, after = self._parts, 0
        while rows := await parts.desk.journal.open_commands(after_serial=after):
            for row in rows:
                if row.state in UNSENT or is_parent(row):
                    parts.backlog.add(row)
            after = rows[-1].serial

    async def _count(self) -> None:
        """Read what was sent today before the first placement needs it."""
        desk = self._parts.desk
        await desk.knowledge.count_day(desk.clock.now_ns() // 1000)

    async def _read_commands(self) -> None:
        if len(self._parts.backlog) >= self._parts.backlog_max:
            await pause(self._parts.desk.stopping, _FULL_S)
            return
        await self._parts.intake.step()

    async def _refresh(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            # Ticks' Redis: without it orders are judged by fewer rules, not held back.
            await self._parts.instruments.try_refresh()
            await pause(stopping, _INSTRUMENTS_S)

    async def _trim(self) -> None:
        """Throw away commands that the journal has taken, never one it has not; keep house."""
        await self._parts.trim()
        await self._parts.housekeeping.step()
        await pause(self._parts.desk.stopping, _TRIM_S)

    async def _relay(self, stopping: asyncio.Event) -> None:
        """Pass the stop on; wake whoever waits for something else."""
        await stopping.wait()
        self._parts.desk.stopping.set()
        self._parts.work.set()
        self._parts.desk.look_soon.set()
        self._parts.desk.sync_soon.set()
        self._parts.desk.pace.foresee(only_cancels=True)
        self._parts.desk.journal.events_waiting.set()
        self._parts.questions.stop()
