from __future__ import annotations

import asyncio

import pytest

from deploy.local import feed
from deploy.local.feed import PATIENCE_S, Patient
from shared.clock import ManualClock
from shared.errors import StreamError


class Stubborn:
    """Fails as often as it is told to, then gives one entry each time."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def read(self):
        if self.failures:
            self.failures -= 1
            raise StreamError("XREAD: Timeout reading from redis.sock")
        return ["an entry"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(feed, "LOOK_AGAIN_S", 0.0)


async def test_pause_of_redis_does_not_end_the_view():
    clock = ManualClock()
    patient = Patient(Stubborn(2), clock, asyncio.Event())
    assert list(await patient.read()) == []
    clock.advance(PATIENCE_S - 1)
    assert list(await patient.read()) == []
    assert list(await patient.read()) == ["an entry"]


async def test_redis_that_stays_away_ends_the_view_with_its_own_words():
    clock = ManualClock()
    patient = Patient(Stubborn(9), clock, asyncio.Event())
    await patient.read()
    clock.advance(PATIENCE_S)
    with pytest.raises(StreamError, match="Timeout reading"):
        await patient.read()


async def test_patience_begins_anew_with_every_answer():
    clock = ManualClock()
    reader = Stubborn(1)
    patient = Patient(reader, clock, asyncio.Event())
    await patient.read()
    clock.advance(PATIENCE_S - 1)
    assert list(await patient.read()) == ["an entry"]
    clock.advance(PATIENCE_S)
    reader.failures = 1
    assert list(await patient.read()) == []
