from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from prometheus_client import REGISTRY

from executor.housekeeping import Housekeeping, Seen
from executor.settings import BehaviourSettings
from shared.clock import ManualClock
from shared.store.trading import TradingSwitch
from shared.streams.hygiene import Depth
from tests.unit.executor.builders import NOW_US

EMPTY = Depth(0, 0)


@dataclass
class Journal:
    async def prune_events(self, **_words):
        return None


@dataclass
class Knowledge:
    counted_us: list[int] = field(default_factory=list)

    async def count_day(self, now_us):
        self.counted_us.append(now_us)


@dataclass
class Desk:
    account: str = "AB1234"
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_US * 1000))
    journal: Journal = field(default_factory=Journal)
    knowledge: Knowledge = field(default_factory=Knowledge)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def switch(scope, subject, state):
    return TradingSwitch(scope=scope, subject=subject, state=state, set_by="a test", changed_us=1)


def told(name, **labels):
    return REGISTRY.get_sample_value(f"tickflow_executor_{name}", labels)


async def step(switches, depth=EMPTY):
    async def count():
        return depth

    async def read():
        return switches

    async def server():
        asked.append("server")

    asked = []
    seen, desk = Seen(dead={"commands": count}, switches=read, server=server), Desk()
    await Housekeeping(desk=desk, behaviour=BehaviourSettings(), seen=seen).step()
    assert asked == ["server"]
    return desk


async def test_switches_that_are_not_active_are_counted_by_scope_and_those_of_others_not():
    await step(
        [
            switch("account", "AB1234", "HALTED"),
            switch("account", "ZZ9999", "HALTED"),
            switch("global", "", "ACTIVE"),
            switch("strategy", "calm", "ACTIVE"),
            switch("strategy", "mad", "REDUCING"),
            switch("strategy", "madder", "REDUCING"),
        ]
    )
    assert told("trading_switches", scope="account", state="HALTED") == 1
    assert told("trading_switches", scope="strategy", state="REDUCING") == 2
    assert told("trading_switches", scope="global", state="HALTED") == 0
    await step([])
    assert told("trading_switches", scope="strategy", state="REDUCING") == 0


async def test_dead_letters_are_counted_with_the_age_of_the_oldest():
    await step([], Depth(3, NOW_US // 1000 - 90_000))
    assert told("dead_letters_entries", stream="commands") == 3
    assert told("dead_letters_age_seconds", stream="commands") == 90
    await step([])
    assert told("dead_letters_age_seconds", stream="commands") == 0


async def test_day_is_counted_although_nobody_sends_so_that_yesterday_is_no_alarm():
    desk = await step([])
    assert desk.knowledge.counted_us == [NOW_US]
