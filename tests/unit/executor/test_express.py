"""The short way of a placement that is alone, over a journal in memory."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from executor.commands.express import Express
from executor.commands.intake import Intake
from executor.crash import never
from executor.journal.asked import new_command
from executor.rules.backlog import Backlog
from shared.clock import ManualClock
from shared.errors import StoreError
from shared.wire.orders import State
from tests.unit.executor.builders import NOW_US, a_cancel, a_place, a_row, facts_of


class Journal:
    """Writes, refuses, loses the write, or only its confirmation."""

    def __init__(self):
        self.answer = "written"
        self.rows = {}
        self.told = []

    async def place_new(self, command, sending, events, *, at_us):
        assert at_us == NOW_US
        if self.answer in ("written", "confirmation lost"):
            self.rows[command.command_id] = replace(sending, serial=7)
            self.told += [each.event for each in events]
        if "lost" in self.answer:
            raise StoreError(self.answer)
        return self.rows.get(command.command_id)

    async def command(self, command_id):
        return self.rows.get(command_id)


class Knowledge:
    def __init__(self):
        self.noted = 0
        self.facts = {}
        #: What is answered in turn, before and after the price was looked for.
        self.lacks = []
        self.looks = 0

    async def look(self, _row):
        self.looks += 1

    def lacks_price(self, _row):
        return self.lacks.pop(0) if self.lacks else False

    async def count_day(self, now_us):
        pass

    def presume(self, row, now_us):
        return facts_of(a_place(), row=row, now_us=now_us, **self.facts)

    def note_sent(self, _facts):
        self.noted += 1

    def take_back(self, _facts):
        self.noted -= 1


class Pace:
    def __init__(self):
        self.turns = 1

    def foresee(self, *, only_cancels):
        assert not only_cancels

    async def is_ahead(self, _row):
        return self.turns > 0

    def use_ahead(self, _row):
        self.turns -= 1
        return True


@pytest.fixture
def desk():
    return SimpleNamespace(
        account="AB1234",
        journal=Journal(),
        knowledge=Knowledge(),
        pace=Pace(),
        clock=ManualClock(NOW_US * 1000),
        crash_point=never,
        stopping=asyncio.Event(),
    )


PLACE = new_command(a_place())


async def test_placement_is_claimed_and_sending_by_one_write_with_both_its_events(desk):
    begun = await Express(desk).begin(PLACE)
    assert (begun.row.state, begun.row.serial, begun.row.attempts) == (State.SENDING, 7, 1)
    assert begun.request.tag == begun.row.tag
    assert desk.journal.told == ["received", "sending"]
    assert (desk.knowledge.noted, desk.pace.turns) == (1, 0)


@pytest.mark.parametrize("answer", ["refused", "lost", "confirmation lost"])
async def test_placement_that_was_not_written_for_certain_is_not_sent_nor_counted(desk, answer):
    desk.journal.answer, express = answer, Express(desk)
    if answer == "refused":
        assert await express.begin(PLACE) is None
    else:
        with pytest.raises(StoreError):
            await express.begin(PLACE)
    assert desk.knowledge.noted == 0
    assert express.in_doubt == (set() if answer == "refused" else {PLACE.command_id})
    desk.journal.answer, desk.pace.turns = "written", 1
    assert (await express.begin(PLACE) is None) == (answer != "refused"), (
        "doubt goes the longer way"
    )


async def test_placement_that_would_be_refused_keeps_the_turn_and_goes_the_longer_way(desk):
    desk.knowledge.facts = {"placements_today": 100}
    assert await Express(desk).begin(PLACE) is None
    assert (desk.pace.turns, desk.journal.told) == (1, [])


async def test_placement_without_a_turn_at_once_goes_the_longer_way(desk):
    desk.pace.turns = 0
    assert await Express(desk).begin(PLACE) is None
    assert desk.journal.told == []


@pytest.mark.parametrize(("lacks", "looks"), [([True], 0), ([False, True], 1)])
async def test_placement_that_lacks_its_price_goes_the_longer_way_and_nobody_waits_here(
    desk, lacks, looks
):
    desk.knowledge.lacks = lacks
    async with asyncio.timeout(5):
        assert await Express(desk).begin(PLACE) is None
    assert (desk.knowledge.looks, desk.pace.turns, desk.journal.told) == (looks, 1, [])
    assert desk.knowledge.noted == 0


async def test_nothing_is_begun_once_the_worker_stops(desk):
    desk.stopping.set()
    assert await Express(desk).begin(PLACE) is None
    assert desk.journal.told == []


async def test_only_placements_go_the_short_way(desk):
    assert await Express(desk).begin(new_command(a_cancel())) is None


@pytest.mark.parametrize(("state", "is_queued"), [(State.SENDING, True), (State.OPEN, False)])
async def test_placement_in_doubt_is_queued_again_only_while_it_is_sending(desk, state, is_queued):
    express, backlog = Express(desk), Backlog()
    express.in_doubt.add(PLACE.command_id)
    desk.journal.rows[PLACE.command_id] = a_row(state=state)
    parts = {"desk": desk, "backlog": backlog, "express": express, "work": asyncio.Event()}
    intake = Intake(reader=None, dispatcher=None, **parts)
    await intake._take_up_doubtful([PLACE])
    assert (backlog.take() is not None) == is_queued
