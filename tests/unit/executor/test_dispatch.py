"""Who takes whose place: commands that wait for a price take nobody's."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from types import SimpleNamespace

from executor.commands.dispatch import Dispatcher
from executor.desk import Verdict
from executor.gate import Bar, Gate
from executor.rules.backlog import Backlog
from executor.settings import BehaviourSettings
from executor.steady import Patience
from shared.clock import ManualClock
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from tests.support.eventually import eventually
from tests.unit.executor.builders import NOW_US, a_cancel, a_modify, a_place, a_row


class Room:
    """A dispatcher whose handler sends at once what does not ask first."""

    def __init__(self, *, sends_max=1):
        gate, self.stopping, self.work = Gate(), asyncio.Event(), asyncio.Event()
        gate.open(*Bar)
        self.sent, self.asking, self.told = [], set(), asyncio.Event()
        self.waiting, self.asked = [], []
        desk = SimpleNamespace(
            journal=SimpleNamespace(take_spawned=lambda: (), take_touched=lambda: ()),
            clock=ManualClock(NOW_US * 1000),
            patience=Patience(gate, RetryPolicy(), random.Random(1), get_log()),
            knowledge=self,
            stopping=self.stopping,
        )
        self.backlog = Backlog()
        self.dispatcher = Dispatcher(
            desk=desk,
            backlog=self.backlog,
            handler=self,
            behaviour=BehaviourSettings(sends_max=sends_max),
            work=self.work,
        )

    async def handle(self, row):
        if row.command_id in self.asking:
            self.asking.discard(row.command_id)
            return Verdict.ASK
        self.sent.append(row.command_id)
        return Verdict.DONE

    async def wait_for_price(self, row):
        self.waiting.append(row.command_id)
        try:
            await self.told.wait()
        finally:
            self.waiting.remove(row.command_id)
            self.asked.append(row.command_id)

    def add(self, *commands, asks=False):
        for command in commands:
            if asks:
                self.asking.add(command.command_id)
            self.backlog.add(a_row(command, serial=len(self.backlog) + 1))
        self.work.set()

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.dispatcher.run(self.stopping))
        try:
            yield
        finally:
            self.told.set()
            self.stopping.set()
            self.work.set()
            await asyncio.wait_for(task, 5)


async def test_exits_and_cancels_leave_while_others_wait_for_prices():
    room = Room(sends_max=1)
    async with room.running():
        room.add(*(a_place(command_id=f"asks-{number}") for number in range(5)), asks=True)
        await eventually(lambda: len(room.waiting) == 5)
        room.add(a_place(command_id="exit"), a_cancel(command_id="cancel"))
        await eventually(lambda: len(room.sent) == 2)
        assert set(room.sent) == {"exit", "cancel"}
        assert len(room.waiting) == 5
        room.told.set()
        await eventually(lambda: len(room.sent) == 7)
    assert room.sent[2:] == [f"asks-{number}" for number in range(5)], "in the order of their claim"
    assert len(room.backlog) == 0


async def test_next_modify_of_an_order_ends_the_wait_of_the_one_before_and_stays_behind_it():
    room = Room(sends_max=4)
    async with room.running():
        room.add(a_modify(command_id="modify-1"), asks=True)
        await eventually(lambda: room.waiting)
        room.add(a_modify(command_id="modify-2"))
        await eventually(lambda: len(room.sent) == 2)
        assert not room.told.is_set()
    assert room.sent == ["modify-1", "modify-2"]


async def test_modify_of_another_order_leaves_the_wait_alone():
    room = Room(sends_max=4)
    async with room.running():
        room.add(a_modify(command_id="modify-1"), asks=True)
        await eventually(lambda: room.waiting)
        room.add(a_modify(command_id="modify-2", target_command_id="command-9"))
        await eventually(lambda: room.sent)
        assert (room.sent, room.waiting) == (["modify-2"], ["modify-1"])


async def test_command_that_waits_when_the_worker_stops_stays_unsent_in_the_backlog():
    room = Room()
    async with room.running():
        room.add(a_place(command_id="asks"), asks=True)
        await eventually(lambda: room.waiting)
    assert (room.sent, len(room.backlog)) == ([], 1)
