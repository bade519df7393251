"""Raw streams recorded and replayed against real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from shared.clock import SystemClock
from shared.errors import LocalError, StreamError
from shared.streams import groups, leases
from shared.streams.client import call
from shared.streams.live_writers import refuse_live
from shared.streams.reader import GroupReader
from shared.streams.recorder import Recorder
from shared.streams.replayer import Patience, Replayer
from shared.streams.tape_deck import TapeDeck, TapeTerms
from shared.streams.tape_shelf import Shelf
from shared.streams.writer import Append, StreamWriter
from shared.wire.playback import Cut, Slice
from shared.wire.segments import segment
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import RAW_TICKS
from tests.support.eventually import eventually
from tests.support.tapes import raw_entry

NS = 10**9
FRAME = b"\0\1\0\x08" + bytes(8)


def piece(number: int, *, shard: int = 0, size: int = 0, every_ns: int = NS // 100) -> Slice:
    at_ns = 1_000 * NS + number * every_ns
    body = segment(at_ns, FRAME + bytes(size))
    return Slice(at_ns, at_ns, shard, "AB1234", 1, 2026112200, 1, body)


async def entries_of(redis, shard: int) -> list[tuple[np.void, bytes, int]]:
    rows = await call(redis, "reading", "XRANGE", RAW_TICKS.name(shard), "-", "+")
    return [
        (np.frombuffer(fields[b"h"], RAW_HEADER_DTYPE)[0], fields[b"s"], int(key.split(b"-")[0]))
        for key, fields in rows
    ]


async def test_replayed_slices_are_entries_with_sequences_of_their_own(redis) -> None:
    made = Replayer(redis, SystemClock(), speed=None, shard_offset=5)
    await made.run([piece(number) for number in range(100)], asyncio.Event())
    found = await entries_of(redis, 5)
    assert [int(header["sequence"]) for header, _, _ in found] == list(range(100))
    assert {int(header["shard"]) for header, _, _ in found} == {5}
    assert {bytes(header["account"]) for header, _, _ in found} == {b"AB1234"}
    assert [segments for _, segments, _ in found] == [piece(n).segments for n in range(100)]
    assert (made.played.entries, made.played.packets) == (100, 100)


async def test_replay_at_a_pace_takes_its_time(redis) -> None:
    made = Replayer(redis, SystemClock(), speed=2.0)
    await made.run([piece(number) for number in range(21)], asyncio.Event())
    times = [ms for _, _, ms in await entries_of(redis, 0)]
    assert times[-1] - times[0] >= 95


async def test_replay_that_is_stopped_leaves_at_once(redis) -> None:
    stopping = asyncio.Event()
    made = Replayer(redis, SystemClock(), speed=1.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(
            made.run([piece(number, every_ns=3600 * NS) for number in range(3)], stopping),
            name="replay",
        )
        await eventually(lambda: made.played.entries == 1)
        stopping.set()
    assert made.played.entries == 1


async def test_replay_at_full_speed_loses_nothing_for_a_slow_group(redis) -> None:
    await groups.create(redis, RAW_TICKS.name(0), "enrich", "0")
    reader = GroupReader(redis, [RAW_TICKS.name(0)], "enrich", "me", count_max=10, block_ms=50)
    patience = Patience(unread_bytes_max=40_000)
    made = Replayer(redis, SystemClock(), speed=None, patience=patience)
    furthest = 0
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(
            made.run([piece(n, size=1_000) for n in range(400)], asyncio.Event()), name="replay"
        )
        read = 0
        while read < 400:
            entries = await reader.read()
            furthest = max(furthest, made.played.entries - read)
            read += len(entries)
            await reader.acknowledge(entries)
        await playing
    # The bound, one batch that was let through, what was read and not yet counted.
    assert furthest <= 40 + 64 + 10
    assert made.played.stalled == []


async def test_replay_goes_on_without_a_group_that_takes_nothing(redis) -> None:
    await groups.create(redis, RAW_TICKS.name(0), "dead", "0")
    patience = Patience(unread_bytes_max=1_000, stalled_s_max=0.1)
    made = Replayer(redis, SystemClock(), speed=None, patience=patience)
    await made.run([piece(n, size=1_000) for n in range(200)], asyncio.Event())
    assert made.played.entries == 200
    assert made.played.stalled == [RAW_TICKS.name(0)]


async def test_stream_with_a_live_writer_is_refused(redis) -> None:
    await refuse_live(redis, [0, 1])
    await StreamWriter(redis, SystemClock()).append([Append(RAW_TICKS, 1, {b"s": b""})])
    await refuse_live(redis, [0])
    with pytest.raises(LocalError, match=r"ticks\.raw\.v1\.1 was written"):
        await refuse_live(redis, [0, 1])


async def test_lease_of_a_live_ingest_is_respected_until_it_ends(redis) -> None:
    lease = await leases.acquire(redis, "ingest.AB1234", "pod-1", 30, clock=SystemClock())
    assert lease is not None
    with pytest.raises(LocalError, match=r"pod-1 holds the lease ingest.AB1234 here"):
        await refuse_live(redis, [0])
    await lease.release()
    await refuse_live(redis, [0])


@pytest.fixture
async def recording(redis, tmp_path: Path) -> AsyncIterator[TapeDeck]:
    """Record shard 0 while the test runs; wait for `deck.recorded`."""
    deck = TapeDeck(TapeTerms(tmp_path, flush_s=0.0, free_bytes_min=0), SystemClock())
    stopping = asyncio.Event()
    made = Recorder(redis, deck, SystemClock(), shards=[0])
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run(stopping), name="record")
        await eventually(lambda: _began(redis, deck))
        yield deck
        stopping.set()


async def _began(redis, deck: TapeDeck) -> bool:
    await _write(redis, 0)
    return bool(deck.recorded.entries)


async def _write(redis, sequence: int) -> None:
    entry = raw_entry(segment(NS + sequence, FRAME), sequence=sequence, packets=1)
    await StreamWriter(redis, SystemClock()).append([Append(RAW_TICKS, 0, entry.fields)])


async def _written(redis, sequence: int) -> bool:
    try:
        await _write(redis, sequence)
    except StreamError:  # the connection of before the restart
        return False
    return True


async def test_recorder_outlives_redis_and_counts_what_was_lost(
    recording: TapeDeck, redis, plain_redis, tmp_path: Path
) -> None:
    await _write(redis, 1)
    await eventually(lambda: recording.recorded.packets >= 2)
    plain_redis.restart()
    await eventually(lambda: _written(redis, 5))
    await eventually(lambda: recording.recorded.missed_entries == 3, within_s=10)
    await eventually(lambda: recording.recorded.packets >= 3)
    shelf = Shelf([tmp_path])
    played = b"".join(piece.segments for piece in shelf.slices(Cut()))
    assert played.endswith(segment(NS + 1, FRAME) + segment(NS + 5, FRAME))
