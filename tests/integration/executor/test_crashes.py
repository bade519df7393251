"""The process ends at every point of a command's way; a fresh one finishes it."""

from __future__ import annotations

import uuid

import pytest

from executor.crash import CrashPoint
from executor.rules.tag import tag_of
from shared.wire.orders import State
from tests.integration.executor.conftest import CrashNow, limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def crash_at(point):
    reached = []

    def hook(here):
        if here is point:
            reached.append(here)
            raise CrashNow(point)

    return hook, reached


@pytest.mark.parametrize("point", list(CrashPoint))
async def test_placement_survives_a_crash_with_at_most_one_order(room, point):
    hook, reached = crash_at(point)
    command_id = uuid.uuid4().hex
    async with room.executor(crash_point=hook) as task:
        await room.send(**limit_order(command_id=command_id))
        await eventually(task.done)
    assert reached
    async with room.executor():
        events = await room.until_state(command_id, "OPEN", "MANUAL")
        await room.ready()
    orders = await room.book(tag_of(room.account, command_id))
    assert len(orders) == (1 if events[-1].state is State.OPEN else 0)
    # The publisher runs beside the handler, whom its crash may meet between commit and wire.
    if point not in (CrashPoint.BEFORE_PUBLISH, CrashPoint.BEFORE_MARK):
        assert (events[-1].state is State.MANUAL) == (point is CrashPoint.BEFORE_WIRE)
    assert await room.entries_left() == 0
    numbers = sorted({each.sequence for each in await room.events()})
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("point", [CrashPoint.BEFORE_WIRE, CrashPoint.AFTER_WIRE])
async def test_cancel_survives_a_crash_and_ends_with_its_order(room, point):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
    hook, reached = crash_at(point)
    async with room.executor(crash_point=hook) as task:
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await eventually(task.done)
    assert reached
    async with room.executor():
        await room.until_state(cancel, "CANCELLED")
        await room.until_state(placed, "CANCELLED")
