"""What compression costs and brings, through a real broker: writer, broker, reader, bytes on disk.

Real raw entries of the load's market and what the engine makes of them; its regularity flatters
every codec. Without the package cramjam there are none and gzip.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from enrich.batch import Batches
from enrich.engine import Engine
from enrich.parameters import Parameters
from shared.clock import SystemClock
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.kafka_client import MESSAGE_BYTES_MAX, ensure_topics, options
from shared.streams.kafka_settings import KafkaSettings
from shared.streams.kafka_writer import open_writer
from shared.streams.writer import Append
from shared.wire.topics import ENRICHED_TICKS
from tests.benchmarks.kafka import why_not
from tests.benchmarks.load import market
from tests.benchmarks.load.entries import Tape
from tests.benchmarks.load.processes import cpu_s
from tests.support.kafka_cluster import Cluster, cluster

ENTRIES: Final = 60
ENTRY_TICKS: Final = 1000
TICKS: Final = ENTRIES * ENTRY_TICKS
WRITE_ENTRIES: Final = 16
READ_S_MAX: Final = 60.0
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
PLAIN: Final = ("none", "gzip")
APP: Final = "tickflow-bench"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """What carrying `TICKS` cost: CPU seconds, bytes on the broker's disk and before."""

    writer_s: float
    broker_s: float
    reader_s: float
    stored_bytes: int
    given_bytes: int


def results() -> list[Row]:
    """Return the rows of the benchmark table; none, and one line, where no Kafka can run."""
    if reason := why_not():
        print(f"  skipped: {reason}", flush=True)
        return []
    has_cramjam = find_spec("cramjam") is not None
    if not has_cramjam:
        print("  without the package cramjam: only none and gzip", flush=True)
    codecs = CODECS if has_cramjam else PLAIN
    with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name:
        return asyncio.run(_measure_all(Path(name), codecs))


async def _measure_all(directory: Path, codecs: Sequence[str]) -> list[Row]:
    raw, enriched = _entries()
    rows: list[Row] = []
    with cluster(directory / "kafka") as made:
        await made.start()
        await ensure_topics(made.settings(), 1, APP)
        await _carry(made, raw[:WRITE_ENTRIES], "none")  # classes loaded, code compiled
        for codec in codecs:
            for what, appends in (("raw", raw), ("enriched", enriched)):
                cost = await _carry(made, appends, codec)
                rows += _rows(f"kafka_codecs.{codec}.{what}", cost)
    return rows


def _entries() -> tuple[list[Append], list[Append]]:
    """Return raw entries of one shard, and what the engine makes of them."""
    tape = Tape(1, int(time.time()))
    raw = list(tape.entries(ENTRIES, ENTRY_TICKS))
    pricing = Parameters(rate=market.RATE, dividend_yield=market.DIVIDEND_YIELD)
    batches = Batches(Engine(tape.listed.records, 1, pricing), SystemClock())
    batches.start(0)
    entries = [
        Entry(append.stream, EntryId(number, 0), dict(append.fields))
        for number, append in enumerate(raw, start=1)
    ]
    made, _ = batches.enrich(0, 1, entries, late=False)
    return raw, [append for append in made if append.topic is ENRICHED_TICKS]


async def _carry(made: Cluster, appends: Sequence[Append], codec: str) -> Cost:
    settings = made.settings(compression=codec)
    topic = appends[0].topic.prefix
    broker_s, stored = cpu_s(made.brokers[0].pid), _stored(made, topic)
    async with open_writer(settings, SystemClock(), name=APP) as writer:
        await writer.ping()
        began_s = time.process_time()
        written = []
        for start in range(0, len(appends), WRITE_ENTRIES):
            written += await writer.append(appends[start : start + WRITE_ENTRIES])
        writer_s = time.process_time() - began_s
    reader_s = await _read(settings, topic, written[0].sequence, written[-1].sequence)
    return Cost(
        writer_s,
        cpu_s(made.brokers[0].pid) - broker_s,
        reader_s,
        _stored(made, topic) - stored,
        sum(append.size_bytes for append in appends),
    )


async def _read(settings: KafkaSettings, topic: str, first: int, last: int) -> float:
    """Read these offsets, return the CPU seconds it took."""
    consumer = AIOKafkaConsumer(
        **options(settings, APP),
        enable_auto_commit=False,
        max_partition_fetch_bytes=MESSAGE_BYTES_MAX,
    )
    place = TopicPartition(topic, 0)
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, first)
        began_s, seen = time.process_time(), first - 1
        async with asyncio.timeout(READ_S_MAX):
            while seen < last:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    seen = records[-1].offset
        return time.process_time() - began_s
    finally:
        await consumer.stop()


def _stored(made: Cluster, topic: str) -> int:
    """Return the bytes of a topic's log on disk."""
    folder = made.brokers[0].data / f"{topic}-0"
    return sum(file.stat().st_size for file in folder.glob("*.log"))


def _rows(name: str, cost: Cost) -> list[Row]:
    context = f"CPU of the broker {1e6 * cost.broker_s / TICKS:.2f} us a tick, "
    context += f"of a reader {1e6 * cost.reader_s / TICKS:.2f}"
    spent = {"value": 1e6 * cost.writer_s / TICKS, "unit": "us", "context": context}
    ratio = cost.given_bytes / cost.stored_bytes
    stored = f"{cost.stored_bytes / TICKS:.0f} bytes a tick on disk and wire"
    return [
        {"name": f"{name}.writer_us_per_tick", **spent},
        {"name": f"{name}.ratio", "value": ratio, "unit": "times", "context": stored},
    ]
