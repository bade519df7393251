from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from executor.lookup.standing import Standing
from shared.clock import ManualClock
from shared.errors import StoreError
from shared.store.rows import Lot
from shared.wire.orders import State
from tests.unit.executor.builders import NOW_US

DAY_US = 86_400_000_000
#: Midnight in India before NOW_US.
MIDNIGHT_US = (NOW_US + 19_800_000_000) // DAY_US * DAY_US - 19_800_000_000


class Journal:
    def __init__(self, **lots):
        self.lots = {State[name]: lot for name, lot in lots.items()}
        self.is_away = False
        self.asked_us = []

    async def open_lots(self):
        if self.is_away:
            raise StoreError("PostgreSQL: away")
        return self.lots

    async def most_modifications(self, since_us):
        self.asked_us.append(since_us)
        return 21


def told(name):
    return REGISTRY.get_sample_value(f"tickflow_executor_{name}")


async def test_commands_are_counted_and_a_doubt_is_as_old_as_its_oldest_command():
    clock = ManualClock(NOW_US * 1000)
    journal = Journal(
        OPEN=Lot(commands=3, oldest_us=1), UNKNOWN=Lot(commands=2, oldest_us=NOW_US - 40_000_000)
    )
    counts = await Standing(journal, clock, 24).count()
    assert counts == {State.OPEN: 3, State.UNKNOWN: 2}
    assert told("open_commands") == 5
    assert told("unknown_commands") == 2
    assert told("unknown_age_seconds") == 40


async def test_age_of_a_doubt_grows_while_the_journal_cannot_be_read():
    clock = ManualClock(NOW_US * 1000)
    journal = Journal(UNKNOWN=Lot(commands=1, oldest_us=NOW_US))
    standing = Standing(journal, clock, 24)
    await standing.count()
    journal.is_away = True
    clock.advance(600)
    with pytest.raises(StoreError):
        await standing.count()
    assert told("unknown_age_seconds") == 600


async def test_doubt_that_ended_has_no_age():
    journal = Journal(UNKNOWN=Lot(commands=1, oldest_us=1))
    standing = Standing(journal, ManualClock(NOW_US * 1000), 24)
    assert told("unknown_age_seconds") == 0, "nobody has counted yet"
    await standing.count()
    assert told("unknown_age_seconds") > 0
    journal.lots = {}
    await standing.count()
    assert (told("unknown_age_seconds"), told("unknown_commands")) == (0, 0)


async def test_modifications_are_those_of_orders_seen_today():
    journal = Journal()
    await Standing(journal, ManualClock(NOW_US * 1000), 24).count()
    assert journal.asked_us == [MIDNIGHT_US]
    assert told("modifications_used_changes") == 21
    assert told("modifications_max_changes") == 24
