"""Entries through a real Kafka come back as they were written."""

from __future__ import annotations

from shared.clock import SystemClock
from shared.streams.kafka_reader import KafkaTailReader
from shared.streams.kafka_writer import open_writer
from shared.streams.writer import Append
from shared.wire.topics import RAW_TICKS

RAW = RAW_TICKS.name(1)


async def test_entries_come_back_in_order_with_their_fields(broker) -> None:
    settings = broker.settings()
    async with open_writer(settings, SystemClock(), name="t") as writer:
        appends = [Append(RAW_TICKS, 1, {b"h": b"head", b"s": b"%d" % n * 100}) for n in range(50)]
        ids = await writer.append(appends)
        reader = KafkaTailReader(settings, {RAW: "0"}, clock=SystemClock(), block_ms=500)
        found = []
        while len(found) < 50:
            found += await reader.read()
        await reader.close()
    assert [entry.fields for entry in found] == [append.fields for append in appends]
    assert [entry.id for entry in found] == ids
    assert {entry.stream for entry in found} == {RAW}
