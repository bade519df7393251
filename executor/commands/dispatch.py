"""Hands claimed commands to the handler, as many at a time as settings allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from executor.broker.request import Begun
from executor.commands.handler import Handler
from executor.desk import Desk, Verdict
from executor.metrics import QUEUED
from executor.rules.backlog import Backlog
from executor.rules.lifecycle import UNSENT
from executor.settings import BehaviourSettings
from shared.runtime.supervise import pause
from shared.store.rows import CommandRow

_Work = Callable[[], Awaitable[Verdict]]

#: How often what is parked, or has expired, is looked at without any other cause.
SWEEP_S: Final = 0.5


class Dispatcher:
    """Owns the tasks that handle commands."""

    def __init__(
        self,
        *,
        desk: Desk,
        backlog: Backlog,
        handler: Handler,
        behaviour: BehaviourSettings,
        work: asyncio.Event,
    ) -> None:
        self._desk = desk
        self._backlog = backlog
        self._handler = handler
        self._behaviour = behaviour
        self._work = work
        self._at_work = {"cancel": 0, "other": 0}
        self._group: asyncio.TaskGroup | None = None
        self._reserved = 0
        #: Modifies that wait for a price.
        self._asking: dict[str, tuple[CommandRow, asyncio.Task[None]]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Hand out until `stopping`, then wait for what is on its way."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while not stopping.is_set():
                self._work.clear()
                self._hand_out(group)
                QUEUED.set(len(self._backlog))
                await self._until_work(stopping)
            # A placement that is being begun will be sent: it is SENDING in a moment.
            while self._reserved:
                self._work.clear()
                await self._until_work(stopping)
            self._group = None

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Do not end while the block runs: it may lead to something that has to be sent."""
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1
            self._work.set()

    @property
    def is_idle(self) -> bool:
        """Tell whether a placement that is read now would leave at once."""
        may_go = not self._backlog and self._desk.patience.gate.passes("place")
        return may_go and self._group is not None and not self._is_full

    @property
    def _is_full(self) -> bool:
        return self._at_work["other"] >= self._behaviour.sends_max

    def carry_on(self, begun: Begun) -> None:
        """Send what is SENDING already, beside whatever else is on its way."""
        assert self._group is not None, "what has begun was begun under a reservation"

        async def finish() -> Verdict:
            return await self._handler.finish(begun)

        self._spawn(self._group, begun.row, finish)

    async def _until_work(self, stopping: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(SWEEP_S):
                await self._work.wait()
        except TimeoutError:
            if not stopping.is_set():
                self._backlog.wake(with_families=True)

    def _hand_out(self, group: asyncio.TaskGroup) -> None:
        for spawned in self._desk.journal.take_spawned():
            if spawned.state in UNSENT:
                self._backlog.add(spawned)
        if touched := self._desk.journal.take_touched():
            self._backlog.wake_families(touched)
        now_us = self._desk.clock.now_ns() // 1000
        while (row := self._backlog.take_expired(now_us)) is not None:
            self._start(group, row, is_expired=True)
        while (row := self._next()) is not None:
            self._start(group, row, is_expired=False)
        for asking, task in self._asking.values():
            # The next modify of the order may get out of it: it does not wait for a price as well.
            if self._backlog.is_awaited(asking):
                task.cancel()

    def _next(self) -> CommandRow | None:
        gate = self._desk.patience.gate
        if not gate.passes("cancel") or self._at_work["cancel"] >= self._behaviour.cancels_max:
            return None
        return self._backlog.take(cancels_only=self._is_full or not gate.passes("place"))

    def _start(self, group: asyncio.TaskGroup, row: CommandRow, *, is_expired: bool) -> None:
        async def work() -> Verdict:
            if is_expired:
                return await self._handler.consider(row) or Verdict.BACK
            return await self._handler.handle(row)

        self._spawn(group, row, work)

    def _spawn(self, group: asyncio.TaskGroup, row: CommandRow, work: _Work) -> None:
        self._at_work[_class(row)] += 1
        group.create_task(self._work_on(row, work), name=f"command {row.command_id}")

    async def _work_on(self, row: CommandRow, work: _Work) -> None:
        verdicts: list[Verdict] = []

        async def handle() -> None:
            verdicts.append(await work())

        try:
            if not await self._desk.patience.tried(handle, name="handle"):
                await pause(self._desk.stopping, self._behaviour.retry_s_min)
                verdicts.append(Verdict.BACK)
        finally:
            self._at_work[_class(row)] -= 1
        self._give_back(row, verdicts[-1])

    def _give_back(self, row: CommandRow, verdict: Verdict) -> None:
        match verdict:
            case Verdict.DONE:
                self._backlog.done(row)
                # What waited for this command, or for its order, may go now.
                self._backlog.wake()
            case Verdict.PARK:
                # Its lane and its place among what is on its way are free for another.
                self._backlog.park(row)
            case Verdict.ASK if self._group is not None:
                self._ask(self._group, row)
            case Verdict.ASK | Verdict.BACK:
                self._backlog.put_back(row)
        self._work.set()

    def _ask(self, group: asyncio.TaskGroup, row: CommandRow) -> None:
        """Let a command wait for its price, in nobody's place among what is on its way."""
        waiting = self._desk.knowledge.wait_for_price(row)
        task = group.create_task(waiting, name=f"price for {row.command_id}")
        if row.kind == "modify":
            self._asking[row.command_id] = row, task
        task.add_done_callback(partial(self._take_back, row))

    def _take_back(self, row: CommandRow, _asked: asyncio.Task[None]) -> None:
        self._asking.pop(row.command_id, None)
        self._backlog.put_back(row)
        self._work.set()


def _class(row: CommandRow) -> str:
    return "cancel" if row.kind == "cancel" else "other"
