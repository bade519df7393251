"""The line that says a worker is ready, and before it what a worker waits for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from shared.clock import Clock
from shared.runtime.logs import Log
from shared.runtime.probe import Probe

#: Between the first two looks, and at most between any two: each asks the servers.
LOOK_S_MIN: Final = 0.1
LOOK_S_MAX: Final = 2.0
#: What passes sooner is not told.
PATIENCE_S: Final = 3.0


async def tell_when_ready(probe: Probe, log: Log, clock: Clock) -> None:
    """Log `worker.ready` once /readyz passes; until then, whenever others are, the failing checks.

    A spare waits for its seat for days: what it waits for is told once.
    """
    began_s, look_s = clock.monotonic_s(), LOOK_S_MIN
    told: frozenset[str] = frozenset()
    while True:
        readiness = await probe.readiness()
        if probe.passed.is_set():
            log.info("worker.ready", probe=probe.address)
            return
        failing = {name: each.reason for name, each in readiness.checks.items() if not each.ok}
        if clock.monotonic_s() - began_s >= PATIENCE_S and failing.keys() != told:
            log.info("readiness.awaited", failing=failing)
            told = frozenset(failing)
        with suppress(TimeoutError):
            # Somebody else may be told first, whoever asks /readyz.
            async with asyncio.timeout(look_s):
                await probe.passed.wait()
        look_s = min(look_s * 2, LOOK_S_MAX)
