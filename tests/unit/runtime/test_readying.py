"""What a worker says before it is ready, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from shared.clock import ManualClock
from shared.runtime.logs import get_log
from shared.runtime.probe import Check, Probe
from shared.runtime.readying import PATIENCE_S, tell_when_ready
from shared.runtime.settings import ProbeSettings
from tests.support.eventually import eventually

HELD = Check(ok=False, reason="another executor holds the account")
PASSED = Check(ok=True)


class Checks:
    """A started worker's checks, each as it is told to be."""

    def __init__(self, **found: Check) -> None:
        self.found = found
        self.looks = 0
        self.clock = ManualClock()
        self.probe = Probe(ProbeSettings(), worker="executor", registry=CollectorRegistry())
        self.probe.started()
        for name in found:
            self.probe.register(name, self._check(name))

    def _check(self, name: str) -> Any:
        async def check() -> Check:
            self.looks += 1
            return self.found[name]

        return check

    def telling(self) -> asyncio.Task[None]:
        return asyncio.create_task(tell_when_ready(self.probe, get_log(), self.clock))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


def events(lines: list[Any]) -> list[str]:
    return [line["event"] for line in lines]


async def test_worker_whose_checks_pass_says_at_once_that_it_is_ready(lines: list[Any]) -> None:
    await Checks(seat=PASSED).telling()
    assert events(lines) == ["worker.ready"]


async def test_worker_says_that_it_is_ready_when_readyz_first_does(lines: list[Any]) -> None:
    checks = Checks(seat=HELD)
    telling = checks.telling()
    for _ in range(3):
        assert (await checks.probe.readiness()).status == "fail"
    assert not lines
    checks.found["seat"] = PASSED
    assert (await checks.probe.readiness()).status == "pass"
    await telling
    assert events(lines) == ["worker.ready"]


async def test_worker_that_waits_says_for_what_once_and_again_where_it_is_for_something_else(
    lines: list[Any],
) -> None:
    checks = Checks(seat=HELD, start=Check(ok=False, reason="not compared yet"))
    telling = checks.telling()
    await asyncio.sleep(0)
    checks.clock.advance(PATIENCE_S)
    await eventually(lambda: len(lines) == 1)
    checks.found["seat"] = Check(ok=False, reason="another executor still holds the account")
    checks.found["start"] = PASSED
    await eventually(lambda: len(lines) == 2)
    checks.found["seat"] = PASSED
    await telling
    assert events(lines) == ["readiness.awaited", "readiness.awaited", "worker.ready"]
    assert lines[0]["failing"] == {
        "seat": "another executor holds the account",
        "start": "not compared yet",
    }
    assert lines[1]["failing"] == {"seat": "another executor still holds the account"}


async def test_worker_that_waits_for_the_same_thing_says_it_once(lines: list[Any]) -> None:
    checks = Checks(seat=HELD)
    telling = checks.telling()
    await asyncio.sleep(0)
    checks.clock.advance(PATIENCE_S)
    await eventually(lambda: lines)
    checks.found["seat"], before = Check(ok=False, reason="held for 2 s"), checks.looks
    await eventually(lambda: checks.looks == before + 2)
    telling.cancel()
    assert events(lines) == ["readiness.awaited"]
