from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest
from prometheus_client import REGISTRY

from executor.broker.pace import ORDER_REQUESTS, SLOW_S, Pace, windows
from executor.broker.skew import Skew
from executor.gate import Bar, Gate
from executor.rules.budgets import Budgets
from executor.settings import BehaviourSettings
from shared.clock import ManualClock
from shared.streams.limiter import Granted, WaitUntil
from tests.support.eventually import eventually
from tests.unit.executor.builders import NOW_US, a_cancel, a_row


class Limiter:
    """Budgets that answer as told."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.seconds = []
        self.costs = []
        self.held = []

    async def take(self, account, endpoint_class, cost, *, reserve, server_s=None):
        self.costs.append(cost)
        self.seconds.append(server_s)
        self.asked.append((account, endpoint_class, reserve))
        return self.answers.pop(0)

    async def pause(self, account, endpoint_class, seconds):
        self.held.append((account, endpoint_class, seconds))


def paced(limiter):
    clock, stopping = ManualClock(NOW_US * 1000), asyncio.Event()
    return Pace(limiter, "AB1234", clock, stopping), stopping


async def test_pace_waits_until_the_budget_has_room():
    limiter = Limiter(WaitUntil(0.001), Granted((1,)))
    pace, _ = paced(limiter)
    assert await pace.turn(a_row())
    assert len(limiter.asked) == 2


@pytest.mark.parametrize(("row", "reserve"), [(a_row(), False), (a_row(a_cancel()), True)])
async def test_pace_lets_cancels_alone_into_the_reserve(row, reserve):
    limiter = Limiter(Granted((1,)))
    pace, _ = paced(limiter)
    await pace.turn(row)
    assert limiter.asked == [("AB1234", ORDER_REQUESTS, reserve)]


async def test_pace_gives_an_expired_command_its_turn_since_it_will_not_be_sent():
    pace, _ = paced(Limiter(WaitUntil(1000)))
    assert await pace.turn(a_row(valid_until_us=NOW_US))


async def test_pace_gives_no_turn_when_stopping():
    pace, stopping = paced(Limiter(WaitUntil(1000)))
    turn = asyncio.create_task(pace.turn(a_row()))
    await asyncio.sleep(0)
    stopping.set()
    assert not await turn


async def foreseen(pace, limiter, *, only_cancels):
    stopping = asyncio.Event()
    running = asyncio.create_task(pace.run(stopping))
    pace.foresee(only_cancels=only_cancels)
    await eventually(lambda: limiter.asked)
    return stopping, running


async def let_go(pace, stopping, running):
    stopping.set()
    pace.foresee(only_cancels=True)
    await running


@pytest.mark.parametrize(("passed_s", "asked"), [(0.01, 1), (0.03, 2)])
async def test_pace_uses_a_turn_taken_ahead_while_it_is_fresh(passed_s, asked):
    limiter = Limiter(Granted((1,)), Granted((1,)))
    clock, stopping = ManualClock(NOW_US * 1000), asyncio.Event()
    pace = Pace(limiter, "AB1234", clock, stopping)
    loop = await foreseen(pace, limiter, only_cancels=False)
    clock.advance(passed_s)
    assert await pace.turn(a_row())
    assert len(limiter.asked) == asked
    await let_go(pace, *loop)


async def test_pace_keeps_a_turn_out_of_the_reserve_for_a_cancel():
    limiter = Limiter(Granted((1,)), Granted((1,)))
    pace, _ = paced(limiter)
    loop = await foreseen(pace, limiter, only_cancels=True)
    assert await pace.turn(a_row())
    assert await pace.turn(a_row(a_cancel()))
    assert [reserve for *_, reserve in limiter.asked] == [True, False]
    await let_go(pace, *loop)


async def test_pace_uses_a_turn_taken_ahead_once():
    limiter = Limiter(Granted((1,)), Granted((1,)))
    pace, _ = paced(limiter)
    loop = await foreseen(pace, limiter, only_cancels=False)
    assert await pace.turn(a_row())
    assert await pace.turn(a_row())
    assert len(limiter.asked) == 2
    await let_go(pace, *loop)


async def test_pace_holds_the_whole_account():
    limiter = Limiter()
    pace, _ = paced(limiter)
    await pace.hold(2.5)
    assert limiter.held == [("AB1234", ORDER_REQUESTS, 2.5)]


def test_windows_keep_a_reserve_in_each():
    second, minute = windows(BehaviourSettings())[ORDER_REQUESTS]
    assert (second.period_s, second.limit, second.reserved) == (1, 9, 2)
    assert (minute.period_s, minute.limit, minute.reserved) == (60, 390, 40)


async def test_pace_asks_by_the_brokers_clock_once_it_is_known():
    clock, gate = ManualClock(NOW_US * 1000), Gate()
    skew = Skew(clock=clock, gate=gate, skew_s_max=2)
    limiter = Limiter(Granted((1,)), Granted((1,)))
    pace = Pace(limiter, "AB1234", clock, asyncio.Event(), skew=skew)
    await pace.turn(a_row())
    ahead_s = NOW_US // 1_000_000 + 100
    skew.heard(formatdate(ahead_s, usegmt=True), clock.now_ns())
    await pace.turn(a_row())
    assert limiter.seconds[0] is None
    assert abs(limiter.seconds[1] - ahead_s) <= 1.0


@pytest.mark.parametrize(("ahead_s", "passes"), [(0, True), (2, True), (4, False), (-4, False)])
def test_clock_that_is_certainly_wrong_holds_entries_but_no_cancels(ahead_s, passes):
    clock, gate = ManualClock(NOW_US * 1000), Gate()
    gate.open(*Bar)
    skew = Skew(clock=clock, gate=gate, skew_s_max=2)
    skew.heard("nonsense", clock.now_ns())
    skew.heard(formatdate(NOW_US // 1_000_000 + ahead_s, usegmt=True), clock.now_ns())
    assert gate.passes("place") is passes
    assert gate.passes("cancel")
    # Whole seconds are stated: what is certain is a second less, whichever way.
    certain_s = {0: 0, 2: 2, 4: 4, -4: 3}[ahead_s]
    assert REGISTRY.get_sample_value("tickflow_executor_broker_clock_off_seconds") == certain_s
    clock.advance(700)
    skew.heard(formatdate(NOW_US // 1_000_000 + 700, usegmt=True), clock.now_ns())
    assert gate.passes("place")


async def test_pace_is_halved_for_a_while_after_a_429_but_not_for_cancels():
    clock, limiter = ManualClock(NOW_US * 1000), Limiter(*(Granted((1,)) for _ in range(4)))
    pace = Pace(limiter, "AB1234", clock, asyncio.Event())
    await pace.turn(a_row())
    await pace.hold(2.0)
    for row in (a_row(), a_row(a_cancel())):
        await pace.turn(row)
    clock.advance(2.0 + SLOW_S)
    await pace.turn(a_row())
    assert limiter.costs == [1, 2, 1, 1]


def used(window):
    return REGISTRY.get_sample_value(
        "tickflow_executor_order_budget_used_ratio", {"window": window}
    )


async def test_pace_tells_what_its_turns_have_used_of_the_budgets_until_it_is_long_past():
    behaviour = BehaviourSettings(orders_per_second_max=10, cancels_per_second_reserved=2)
    clock = ManualClock(NOW_US * 1000)
    pace = Pace(
        Limiter(Granted((3, 311))),
        "AB1234",
        clock,
        asyncio.Event(),
        budgets=Budgets(windows(behaviour)[ORDER_REQUESTS]),
    )
    assert (used("second"), used("minute")) == (0, 0)
    assert await pace.turn(a_row())
    assert used("second") == 0.5
    assert used("minute") == pytest.approx(39 / 390)
    clock.advance(3600)
    assert (used("second"), used("minute")) == (0, 0)
