"""Positions that are not what the day's trades make them, told once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from executor.lookup.syncing import Syncing
from executor.settings import BehaviourSettings
from shared.clock import ManualClock
from shared.runtime.logs import get_log
from tests.unit.executor.builders import NOW_US


class Broker:
    def __init__(self):
        self.quantity = 0
        self.m2m = 0

    async def trades(self):
        return []

    async def positions(self):
        return [
            {
                "exchange": "NSE",
                "tradingsymbol": "INFY",
                "product": "MIS",
                "quantity": self.quantity,
                "average_price": "1500",
                "m2m": self.m2m,
            }
        ]


class Knowledge:
    def __init__(self):
        self.losses = []

    def note_loss(self, loss, looked_us):
        self.losses.append((loss, looked_us))


class Journal:
    def __init__(self):
        self.events = []

    @asynccontextmanager
    async def change(self, **_at):
        async def none(*_arguments, **_named):
            return 0

        portfolio = SimpleNamespace(add_trades=none, replace_positions=none)
        told = []
        yield SimpleNamespace(
            portfolio=portfolio, emit=lambda event, *, is_step: told.append((event, is_step))
        )
        self.events += told


@pytest.fixture
def desk():
    return SimpleNamespace(
        broker=Broker(),
        journal=Journal(),
        clock=ManualClock(NOW_US * 1000),
        patience=SimpleNamespace(log=get_log()),
        knowledge=Knowledge(),
    )


async def test_position_that_disagrees_twice_in_a_row_is_told_once_and_again_when_it_changes(desk):
    syncing = Syncing(desk=desk, behaviour=BehaviourSettings())
    await syncing.sync()
    desk.broker.quantity = 3
    await syncing.sync()
    assert desk.journal.events == [], "a fill between two readings is no fault"
    await syncing.sync()
    ((event, is_step),) = desk.journal.events
    assert (event.event, event.state, event.tradingsymbol) == (
        "positions_disagree",
        "MANUAL",
        "INFY",
    )
    assert (event.reason.measured, event.reason.limit, is_step) == ("3", "0", False)
    await syncing.sync()
    assert len(desk.journal.events) == 1
    desk.broker.quantity = 5
    await syncing.sync()
    await syncing.sync()
    assert [event.reason.measured for event, _ in desk.journal.events] == ["3", "5"]


async def test_position_that_agrees_again_is_told_anew_when_it_disagrees_later(desk):
    syncing = Syncing(desk=desk, behaviour=BehaviourSettings())
    for quantity in (3, 3, 0, 3, 3):
        desk.broker.quantity = quantity
        await syncing.sync()
    assert len(desk.journal.events) == 2


async def test_days_loss_goes_with_the_moment_of_its_reading_and_its_limit_is_told_once(desk):
    syncing = Syncing(desk=desk, behaviour=BehaviourSettings(day_loss_max=1000))
    with capture_logs() as logs:
        for desk.broker.m2m in (-999.99, -1000, -1500, None, 10):
            await syncing.sync()
    assert desk.knowledge.losses == [
        (loss and Decimal(loss), NOW_US)
        for loss in ("999.99", "1000.00", "1500.00", None, "-10.00")
    ]
    told = [line["event"] for line in logs if line["event"].startswith("orders.day_loss")]
    assert told == ["orders.day_loss_reached", "orders.day_loss_left"]
