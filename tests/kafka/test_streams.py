"""Entries through a real Kafka come back as they were written."""

from __future__ import annotations

import asyncio

import pytest

from shared.clock import SystemClock
from shared.errors import StreamError
from shared.streams.kafka_reader import KafkaTailReader
from shared.streams.kafka_writer import KafkaWriter, open_writer
from shared.streams.writer import Append
from shared.wire.topics import RAW_TICKS
from tests.support.kafka_cluster import Cluster

RAW = RAW_TICKS.name(1)


async def test_entries_come_back_in_order_with_their_fields(broker) -> None:
    await check_round_trip(broker)


async def check_round_trip(made: Cluster) -> None:
    """Write entries, read them again, compare."""
    settings = made.settings()
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


async def test_writer_says_in_time_that_kafka_is_away_and_what_it_gave_up_never_comes_late(
    broker,
) -> None:
    settings = broker.settings(request_timeout_s=1.0)
    async with open_writer(settings, SystemClock(), name="t") as writer:
        await writer.append([numbered(1)])
        broker.brokers[0].kill()
        async with asyncio.timeout(20):
            with pytest.raises(StreamError, match=r"no answer within 1 s|KafkaConnection"):
                await writer.append([numbered(2)])
        broker.brokers[0].start()
        await broker.answer()
        await insist(writer, numbered(3))
        reader = KafkaTailReader(settings, {RAW: "0"}, clock=SystemClock(), block_ms=500)
        await insist(writer, numbered(4))
        found: list[bytes] = []
        while found[-1:] != [b"4"]:
            found += [entry.fields[b"s"][:1] for entry in await reader.read()]
        await reader.close()
    assert list(dict.fromkeys(found)) == [b"1", b"3", b"4"]


def numbered(number: int) -> Append:
    return Append(RAW_TICKS, 1, {b"h": b"head", b"s": b"%d" % number * 100})


async def insist(writer: KafkaWriter, append: Append) -> None:
    """Write as ingest does: until Kafka has it."""
    async with asyncio.timeout(60):
        while True:
            try:
                await writer.append([append])
            except StreamError:
                await asyncio.sleep(0.1)
            else:
                return
