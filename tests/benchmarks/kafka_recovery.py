"""What a new owner of a partition knows, and after how long: ticks.last, or raw ticks once more.

Both ways give an engine the last values, forwards and volatilities of a shard whose owner is gone:
one read of the hash in Redis; or the last seconds of the raw topic enriched again, nothing written.
A replay brings back what ticked within it, hence the share of the instruments beside its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from enrich.batch import Batches
from enrich.engine import Engine
from enrich.parameters import Parameters
from shared.clock import SystemClock
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.kafka_client import MESSAGE_BYTES_MAX, ensure_topics, options
from shared.streams.kafka_reader import entry_of
from shared.streams.kafka_settings import KafkaSettings
from shared.streams.kafka_writer import open_writer
from shared.streams.writer import Append
from shared.wire.topics import RAW_TICKS
from tests.benchmarks.kafka import why_not
from tests.benchmarks.load import market
from tests.benchmarks.load.entries import Listed, Tape
from tests.benchmarks.load.logs import redis_log
from tests.support.kafka_cluster import cluster

#: A full account's busy minute, all of it in one shard.
TICKS_PER_S: Final = 18_000
REPLAYS_S: Final = (2, 10, 30)
ENTRY_TICKS: Final = 1000
ENTRIES: Final = max(REPLAYS_S) * TICKS_PER_S // ENTRY_TICKS
WRITE_ENTRIES: Final = 16
ROUNDS: Final = 5
APP: Final = "tickflow-bench"

Row = dict[str, Any]


def results() -> list[Row]:
    """Return the rows of the benchmark table; none, and one line, where no Kafka can run."""
    if reason := why_not():
        print(f"  skipped: {reason}", flush=True)
        return []
    with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name:
        return asyncio.run(_measure_all(Path(name)))


async def _measure_all(directory: Path) -> list[Row]:
    tape = Tape(1, int(time.time()), uneven=True)
    raw = list(tape.entries(ENTRIES, ENTRY_TICKS))
    with cluster(directory / "kafka") as made:
        await made.start()
        settings = made.settings()
        await ensure_topics(settings, 1, APP)
        async with open_writer(settings, SystemClock(), name=APP) as writer:
            for start in range(0, len(raw), WRITE_ENTRIES):
                await writer.append(raw[start : start + WRITE_ENTRIES])
        async with redis_log(directory / "redis", tape.listed) as log:
            await _leave_behind(log.redis, tape.listed, raw)
            rows = [await _restored(log.redis, tape.listed)]
        rows += [await _replayed(settings, tape.listed, seconds) for seconds in REPLAYS_S]
    return rows


async def _leave_behind(redis: Connection, listed: Listed, raw: Sequence[Append]) -> None:
    """Put what the owner before knew when it died into ticks.last."""
    before = _batches(listed)
    for number, append in enumerate(raw, start=1):
        entry = Entry(append.stream, EntryId(number, 0), dict(append.fields))
        before.enrich(0, 1, [entry], late=False)
    await published.put_last(redis, 0, before.engine.last.refreshed(0))


async def _restored(redis: Connection, listed: Listed) -> Row:
    spent_s = []
    for _ in range(ROUNDS):
        engine = _batches(listed).engine
        began_s = time.perf_counter()
        engine.restore(await published.get_last(redis, 0))
        spent_s.append(time.perf_counter() - began_s)
    known = f"{len(engine.last.ticked())} of {len(listed.records)} instruments known"
    return _row("kafka_recovery.ticks_last", statistics.median(spent_s), known)


async def _replayed(settings: KafkaSettings, listed: Listed, seconds: int) -> Row:
    count = seconds * TICKS_PER_S // ENTRY_TICKS
    batches = _batches(listed)
    began_s = time.perf_counter()
    async with _reading(settings) as consumer:
        place = TopicPartition(RAW_TICKS.prefix, 0)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, end - count)
        position = end - count
        while position < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                entries = [entry_of(record) for record in records]
                batches.enrich(0, 2, entries, late=False)
                position = records[-1].offset + 1
    spent_s = time.perf_counter() - began_s
    known = f"{len(batches.engine.last.ticked())} of {len(listed.records)} instruments known"
    context = f"{known}, {count * ENTRY_TICKS} ticks once more"
    return _row(f"kafka_recovery.replay_of_{seconds}_s", spent_s, context)


@contextlib.asynccontextmanager
async def _reading(settings: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **options(settings, APP),
        enable_auto_commit=False,
        max_partition_fetch_bytes=MESSAGE_BYTES_MAX,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _batches(listed: Listed) -> Batches:
    pricing = Parameters(rate=market.RATE, dividend_yield=market.DIVIDEND_YIELD)
    made = Batches(Engine(listed.records, 1, pricing), SystemClock())
    made.start(0)
    made.engine.warm_up()
    return made


def _row(name: str, seconds: float, context: str) -> Row:
    return {"name": name, "value": 1e3 * seconds, "unit": "ms", "context": context}
