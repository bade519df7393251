"""A few runs of `make chaos`, so that the matrix itself cannot rot."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from executor.crash import CrashPoint
from shared.wire.orders import State
from tests.chaos.drive import run
from tests.chaos.judge import judge
from tests.chaos.kills import drawn
from tests.chaos.plan import FAULTS, Scenario, draw
from tests.chaos.rig import Rig, running_broker

pytestmark = pytest.mark.integration

#: A few faults that need no server of their own, each with another crash.
SEEDS = [seed for seed in range(3, 160, 29) if not draw(seed).is_exclusive]


def test_seeds_in_a_row_cover_every_crash_point_under_every_fault():
    cells = {
        (crash.point, what.fault)
        for what in map(draw, range(len(FAULTS) * (len(CrashPoint) + 1)))
        for crash in what.crashes[:1]
    }
    assert cells == {(point, fault) for point in CrashPoint for fault in FAULTS}


def test_seed_draws_the_same_run_again():
    assert [draw(seed) for seed in SEEDS] == [draw(seed) for seed in SEEDS]
    assert drawn(5) == drawn(5)


async def test_crashes_under_a_few_faults_keep_every_promise(
    orders_redis, ticks_redis, postgres, executor_database
):
    database = executor_database.reveal().split("@/")[1].split("?")[0]
    rig = Rig(Path())
    await rig.borrow(orders=orders_redis, ticks=ticks_redis, postgres=postgres, database=database)
    try:
        async with running_broker(7, int(uuid.uuid4().hex[:4], 16)) as broker:
            verdicts = await asyncio.gather(*(run(rig, broker, draw(seed)) for seed in SEEDS))
    finally:
        await rig.stop()
    assert {str(each.scenario): each.wrong for each in verdicts if each.wrong} == {}
    assert sum(each.crashed for each in verdicts) >= len(SEEDS) // 2


PLACE = {"command_id": "0123456789", "kind": "place"}


@pytest.mark.parametrize(
    ("state", "book", "complaint"),
    [
        (State.OPEN, 2, "2 orders at the broker"),
        (State.OPEN, 0, "without an order at the broker"),
        (State.REFUSED, 1, "with an order at the broker"),
        (State.SENDING, 0, "place 0123456789 is SENDING"),
    ],
)
def test_judge_finds_a_broken_promise(state, book, complaint):
    from executor.rules.tag import tag_of

    what = Scenario(seed=1, fault="none", crashes=(), commands=(PLACE,))
    row = {"tag": tag_of("AB1234", PLACE["command_id"]), "status": "OPEN"}
    wrong = judge(
        what,
        "AB1234",
        states={PLACE["command_id"]: state},
        book=[row] * book,
        received=[],
        events=[],
        stored=[b"{}"],
    )
    assert any(complaint in each for each in wrong), wrong
    assert any("events committed" in each for each in wrong)
