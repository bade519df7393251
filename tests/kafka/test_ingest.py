"""Ingest between a sandbox and a real Kafka that goes away for a while."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from shared.clock import SystemClock
from shared.errors import StreamError
from shared.kite.codec.entry import Columns
from shared.streams.kafka_reader import KafkaTailReader
from shared.wire.control import Gap
from shared.wire.topics import GAPS, RAW_TICKS
from tests.kafka.test_faults import PATIENCE_S
from tests.support.eventually import eventually
from tests.support.ingest_rig import (
    OPTIONS,
    SHARDS,
    STEP_S,
    STRIKES,
    Rig,
    Written,
    open_calendar,
    untold,
)
from tests.support.kafka_workers import kafka_environment
from tests.support.sandbox import running_sandbox
from tests.support.workers import ingest_environment, worker

pytestmark = pytest.mark.e2e
MEMORY_MIB_MAX = 96
#: Longer than a step that comes late on a busy machine.
HOLE_S = 4.0
#: What ingest asks for: MiB of each shard that may wait, then the newest packet of each instrument.
WAITING_MIB_MAX = SHARDS * OPTIONS["buffers"] + 2


@contextlib.asynccontextmanager
async def rig_on_kafka(server, market, directory) -> AsyncIterator[Rig]:
    """Run a sandbox and ingest; what ingest writes is read from Kafka, gaps from Redis."""
    flags = ["--strikes", str(STRIKES), "--step-ms", str(round(STEP_S * 1000)), "--limits", "off"]
    async with running_sandbox(5, flags) as sandbox, asyncio.TaskGroup() as group:
        await asyncio.to_thread(lambda: sandbox.post("market", frozen=True))
        told = ingest_environment(server, server, sandbox, **OPTIONS)
        told |= {
            name: value
            for name, value in kafka_environment(server, market.kafka).items()
            if "ENRICH" not in name
        }
        told["TICKFLOW_MARKET__CALENDAR_FILE"] = str(open_calendar(directory))
        written = Written()
        async with worker("ingest", told, directory) as ingest:
            reading = group.create_task(read_all(market, written), name="reader")
            yield Rig(sandbox, server, ingest, written)
            reading.cancel()


async def read_all(market, written: Written) -> None:
    """Follow the raw topic whatever becomes of the broker."""
    columns = Columns()
    names = {RAW_TICKS.name(shard): "0" for shard in range(SHARDS)}
    reader = KafkaTailReader(market.settings, names, clock=SystemClock(), block_ms=100)
    try:
        while True:
            try:
                entries = await reader.read()
            except StreamError:
                await asyncio.sleep(0.1)
                continue
            for entry in entries:
                written.newest_id_ms = max(written.newest_id_ms, entry.id.ms)
                written.add(entry.fields, columns)
    finally:
        await reader.close()


async def gaps(market) -> list[Gap]:
    rows = await market.redis.xrange(GAPS.name())
    return [msgspec.json.decode(fields[b"json"], type=Gap) for _, fields in rows]


async def test_broker_away_costs_bounded_memory_and_told_drops_then_ingest_goes_on(
    server, market, tmp_path
) -> None:
    (broker,) = market.kafka.brokers
    async with rig_on_kafka(server, market, tmp_path) as rig:
        await eventually(lambda: len(rig.written.times) > 20, within_s=PATIENCE_S)
        memory_mib, since = rig.resident_mib(), await rig.sequence()
        broker.kill()
        # Longer than the buffers last, then as long again.
        await eventually(lambda: has_dropped(rig, 1), within_s=PATIENCE_S, every_s=0.2)
        dropped = await rig.figure("tickflow_ingest_left_out_total")
        await eventually(lambda: has_dropped(rig, 3 * dropped), within_s=PATIENCE_S, every_s=0.2)
        waiting = await rig.figure("tickflow_ingest_waiting_bytes")
        assert waiting < WAITING_MIB_MAX * 1024 * 1024
        assert not await asyncio.to_thread(rig.ingest.is_ready)
        assert rig.resident_mib() - memory_mib < MEMORY_MIB_MAX
        before_ms = rig.written.newest_id_ms
        broker.start()
        began_s = time.monotonic()
        await eventually(lambda: rig.written.newest_id_ms > before_ms, within_s=PATIENCE_S)
        print(f"\nbroker back: ingest was writing again after {time.monotonic() - began_s:.1f} s")
        await check_told(rig, market)
        assert rig.resident_mib() - memory_mib < MEMORY_MIB_MAX
        assert await rig.events(since) == [], "no socket was touched by it"
        assert await rig.ingest.drain() == 0


async def has_dropped(rig: Rig, packets: float) -> bool:
    return await rig.figure("tickflow_ingest_left_out_total") >= packets


async def check_told(rig: Rig, market) -> None:
    """Hold what was dropped against the gap, every hole against it, every entry against the next."""

    async def one_gap() -> bool:
        return bool(await gaps(market))

    await eventually(one_gap, within_s=PATIENCE_S)
    rig.written.gaps = await gaps(market)
    (gap,) = rig.written.gaps
    dropped = await rig.figure("tickflow_ingest_left_out_total")
    assert (gap.cause, gap.packets_dropped) == ("stream_away", dropped)
    due_us = gap.to_us + round(4 * STEP_S * 1e6)
    await eventually(lambda: int(rig.written.times[-1].max()) // 1000 > due_us, within_s=PATIENCE_S)
    assert untold(rig.written, HOLE_S) == []
    for shard in range(SHARDS):
        numbers = sorted(number for _, of, number in rig.written.seen if of == shard)
        assert numbers == list(range(len(numbers)))
