"""One tape through both logs: the same records to the byte, whoever carries them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import numpy as np
import pytest

from enrich.scaleout.bridge import GROUP as BRIDGE_GROUP
from shared.clock import SystemClock
from shared.streams.kafka_reader import KafkaTailReader
from shared.streams.writer import Append, StreamWriter
from shared.wire.segments import segment
from shared.wire.ticks import TICK_DTYPE
from shared.wire.topics import ENRICHED_TICKS, LAST_TICKS, RAW_TICKS
from tests.kafka.test_faults import PATIENCE_S
from tests.support import kite_frames
from tests.support.eventually import eventually
from tests.support.kafka_workers import kafka_environment
from tests.support.kite_market import (
    NOW_NS,
    SHARE,
    UNKNOWN,
    chain,
    header,
    index_packet,
    packet,
)
from tests.support.workers import enrich_environment, worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
BRIDGE = "enrich.scaleout.bridge"
#: What two logs may name differently: the owner, and where no bridge keeps it, the entry.
OWNER, ENTRY = ("fence",), ("fence", "raw_entry_ms", "raw_entry_sequence")


def tape(entries: int = 120) -> list[Append]:
    """Return raw entries of both shards; an index that walks, its chain behind it, a share."""
    chance = random.Random(7)
    price, at_ns, made = 24_000.0, NOW_NS, []
    for _ in range(entries):
        price += chance.choice((-5.0, 0.0, 5.0))
        at_ns += chance.choice((1_000_000, 40_000_000, 700_000_000))
        packets = [index_packet(price), *chance.sample(chain(price), k=6)]
        made.append(_entry(0, packets, at_ns))
        share = [packet(SHARE, 1500.0 + chance.random()), packet(UNKNOWN, 1.0)]
        made.append(_entry(1, share, at_ns))
    return made


def _entry(shard: int, packets: list[bytes], at_ns: int) -> Append:
    body = segment(at_ns, kite_frames.frame(packets))
    return Append(RAW_TICKS, shard, {b"h": header(len(packets)), b"s": body})


def by_instrument(parts: list[bytes], but: tuple[str, ...]) -> dict[int, bytes]:
    """Return the records of each instrument as bytes, in order, without what may differ."""
    records = np.frombuffer(b"".join(parts), TICK_DTYPE).copy()
    for name in but:
        records[name] = 0
    return {
        int(token): records[records["instrument_token"] == token].tobytes()
        for token in np.unique(records["instrument_token"])
    }


def count(parts: list[bytes]) -> int:
    return sum(len(part) for part in parts) // TICK_DTYPE.itemsize


async def through_redis(server, market, tmp_path, entries: list[Append]) -> list[bytes]:
    """Write a tape as ingest does, return what a worker on Redis makes of it."""
    await StreamWriter(market.redis, SystemClock()).append(entries)
    expected = 120 * (7 + 2)
    found: list[bytes] = []

    async def complete() -> bool:
        found[:] = [
            fields[b"r"]
            for shard in (0, 1)
            for _, fields in await market.redis.xrange(ENRICHED_TICKS.name(shard))
        ]
        return count(found) == expected

    async with worker("enrich", enrich_environment(server, late_after_s=600), tmp_path) as one:
        await eventually(complete, within_s=PATIENCE_S, every_s=0.1)
        assert await one.drain() == 0
    # The other worker may know nothing of this one.
    await market.redis.delete(*(LAST_TICKS.name(shard) for shard in (0, 1)))
    return found


async def through_kafka(server, market, tmp_path, records: int) -> list[bytes]:
    """Return what a worker on Kafka makes of what is there."""
    parts: dict[int, list[bytes]] = defaultdict(list)
    streams = {ENRICHED_TICKS.name(shard): "0" for shard in (0, 1)}
    reader = KafkaTailReader(market.settings, streams, clock=SystemClock(), block_ms=50)

    async def complete() -> bool:
        for entry in await reader.read():
            parts[int(entry.stream[-1])].append(entry.fields[b"r"])
        return count([part for of in parts.values() for part in of]) == records

    async with worker("enrich", kafka_environment(server, market.kafka), tmp_path) as one:
        await eventually(complete, within_s=PATIENCE_S)
        assert await one.drain() == 0
    await reader.close()
    return [part for shard in sorted(parts) for part in parts[shard]]


async def test_records_of_a_tape_are_the_same_bytes_on_both_logs(server, market, tmp_path) -> None:
    entries = tape()
    on_redis = await through_redis(server, market, tmp_path, entries)
    await market.writer.append(entries)
    on_kafka = await through_kafka(server, market, tmp_path, count(on_redis))
    assert by_instrument(on_kafka, ENTRY) == by_instrument(on_redis, ENTRY)
    solved = np.frombuffer(b"".join(on_redis), TICK_DTYPE)["status"] == 0
    assert solved.sum() > 500, "a tape without Greeks compares nothing"


async def test_bridge_carries_entries_with_their_ids_so_that_lineage_stays(
    server, market, tmp_path
) -> None:
    on_redis = await through_redis(server, market, tmp_path, tape())
    async with worker(BRIDGE, bridge_environment(server, market), tmp_path) as bridge:
        on_kafka = await through_kafka(server, market, tmp_path, count(on_redis))
        assert await bridge.drain() == 0
    assert by_instrument(on_kafka, OWNER) == by_instrument(on_redis, OWNER)


async def test_killed_bridge_goes_on_where_it_was_and_carries_everything(
    server, market, tmp_path
) -> None:
    writer = StreamWriter(market.redis, SystemClock())
    told = bridge_environment(server, market)
    written = []
    async with worker(BRIDGE, told, tmp_path) as first:
        for entry in tape():
            written += [str(each) for each in await writer.append([entry])]
            if len(written) == 100:
                first.kill()
            await asyncio.sleep(0)
    streams = {RAW_TICKS.name(shard): "0" for shard in (0, 1)}
    reader = KafkaTailReader(market.settings, streams, clock=SystemClock(), block_ms=50)
    carried: list[str] = []

    async def complete() -> bool:
        carried.extend(str(entry.id) for entry in await reader.read())
        return set(carried) == set(written)

    async with worker(BRIDGE, told, tmp_path) as second:
        await eventually(complete, within_s=PATIENCE_S)
        assert await second.drain() == 0
    await reader.close()
    for shard in (0, 1):
        pending = await market.redis.xpending(RAW_TICKS.name(shard), BRIDGE_GROUP)
        assert pending["pending"] == 0


def bridge_environment(server, market) -> dict[str, str]:
    told = kafka_environment(server, market.kafka)
    return {
        name: value
        for name, value in told.items()
        if name.startswith(("TICKFLOW_REDIS__", "TICKFLOW_KAFKA__"))
    }
