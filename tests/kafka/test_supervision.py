"""A worker that only seems alive ends by itself: its agent died, an offset was committed too early."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from enrich.scaleout.app import ScaleoutWorker, build
from enrich.scaleout.hosting import FETCH_WAIT_MS
from enrich.settings import EnrichOptions, EnrichSettings
from shared.clock import SystemClock
from shared.runtime.life import Program, live
from shared.runtime.outcome import ExitCode
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.streams.kafka_settings import TicksSettings
from shared.wire.topics import RAW_TICKS
from tests.kafka.test_faults import PATIENCE_S
from tests.support.eventually import eventually
from tests.support.kite_market import SHARE, packet

pytestmark = pytest.mark.integration


@dataclass
class Lived:
    """A worker's whole life in this process."""

    settings: EnrichSettings
    made: list[ScaleoutWorker] = field(default_factory=list)
    logs: list = field(default_factory=list)

    async def live(self) -> ExitCode:
        program = Program(name="enrich", build=self._build, drain_timeout_s=10.0)
        with capture_logs() as logs:
            self.logs = logs
            return await live(program, self.settings, SystemClock(), force=lambda: None)

    async def _build(self, settings: EnrichSettings, resources: Resources) -> ScaleoutWorker:
        self.made.append(await build(settings, resources))
        return self.made[0]

    def said(self) -> str:
        return str([line for line in self.logs if line["log_level"] in ("error", "critical")])


@asynccontextmanager
async def life(server, market) -> AsyncIterator[tuple[Lived, asyncio.Task[ExitCode]]]:
    """Run a worker that has delivered a tick; it ends with the block if not before."""
    options = EnrichOptions(name="one", late_after_s=600.0, commit_every_s=0.5)
    settings = EnrichSettings(
        redis=server.settings,
        ticks=TicksSettings(backend="kafka"),
        kafka=market.settings,
        enrich=options,
        probe=ProbeSettings(port=0),
    )
    lived = Lived(settings)
    task = asyncio.create_task(lived.live())
    try:
        await market.say(packet(SHARE, 1.0))
        await market.until_price(1.0, within_s=PATIENCE_S)
        yield lived, task
    finally:
        if not task.done():  # its own handler takes the signal, not this process
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait({task})


async def test_agent_that_ends_in_silence_ends_the_worker_with_exit_code_1(server, market) -> None:
    async with life(server, market) as (lived, task):
        (actor,) = lived.made[0]._app.agents["enrich"]._actors
        await actor.stream.stop()
        await market.say(packet(SHARE, 2.0))  # the agent is told, and returns without a word
        assert await asyncio.wait_for(task, PATIENCE_S) is ExitCode.CRASHED
        assert "ended in silence" in lived.said()


async def test_kafka_is_not_let_wait_long_for_a_quiet_partition_while_another_is_busy(
    server, market
) -> None:
    """Faust's 1.5 s would be every busy partition's, beside a quiet one of the same broker."""
    async with life(server, market) as (lived, _):
        consumer = lived.made[0]._app.consumer._thread._consumer
        assert consumer._fetcher._fetch_max_wait_ms == FETCH_WAIT_MS


async def test_agent_whose_task_is_cancelled_by_nobody_we_know_ends_the_worker(
    server, market
) -> None:
    async with life(server, market) as (lived, task):
        (actor,) = lived.made[0]._app.agents["enrich"]._actors
        actor.actor_task.cancel()
        assert await asyncio.wait_for(task, PATIENCE_S) is ExitCode.CRASHED


async def test_commit_ahead_of_the_work_ends_the_worker_and_is_taken_back(server, market) -> None:
    async with life(server, market) as (lived, task):
        await market.until_committed(1, 1)
        place = TP(RAW_TICKS.prefix, 1)
        await lived.made[0]._app.consumer._commit_offsets({place: 5})
        assert (await market.committed())[1] == 5
        assert await asyncio.wait_for(task, PATIENCE_S) is ExitCode.CRASHED
        assert "committed 5, delivered 1" in lived.said()

        async def taken_back() -> bool:
            return (await market.committed())[1] == 1

        await eventually(taken_back, within_s=PATIENCE_S)
