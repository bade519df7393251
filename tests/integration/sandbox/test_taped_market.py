"""A market recorded from one sandbox, played by another to a live ingest."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from deploy.sandbox.tape_player import split
from shared.clock import SystemClock
from shared.streams import published
from shared.streams.client import call, connect
from shared.streams.recorder import Recorder
from shared.streams.settings import RedisSettings
from shared.streams.tape_deck import TapeDeck, TapeTerms
from shared.streams.tape_shelf import Shelf, found
from shared.wire.playback import Cut
from shared.wire.segments import iterate
from shared.wire.topics import RAW_TICKS
from tests.support.eventually import eventually
from tests.support.sandbox import running_sandbox
from tests.support.workers import ingest_environment, worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
OPTIONS = {"underlyings": "NIFTY", "shards": 1, "expiries": 1, "strikes_each_side": 3}
PACKETS_MIN = 200


@pytest.fixture
async def redis(ticks_redis):
    url = ticks_redis.url_for("ops")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as client:
        yield client


def packets_by_token(entries: Iterable[bytes]) -> dict[int, list[bytes]]:
    packets: dict[int, list[bytes]] = defaultdict(list)
    for segments in entries:
        for _, frame in iterate(segments):
            for token, body in split(bytes(frame)):
                packets[token].append(body)
    return packets


async def in_stream(redis) -> dict[int, list[bytes]]:
    rows = await call(redis, "reading", "XRANGE", RAW_TICKS.name(0), "-", "+")
    return packets_by_token(fields[b"s"] for _, fields in rows)


async def record(redis, directory: Path) -> None:
    deck = TapeDeck(TapeTerms(directory, flush_s=0.1, free_bytes_min=0), SystemClock())
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            Recorder(redis, deck, SystemClock(), shards=[0]).run(stopping), name="record"
        )
        await eventually(lambda: deck.recorded.packets >= PACKETS_MIN, within_s=30)
        stopping.set()


async def test_ingest_gets_from_a_taped_sandbox_what_was_recorded_from_a_live_one(
    redis, ticks_redis, orders_redis, tmp_path: Path
) -> None:
    async with running_sandbox(3, ["--strikes", "6"]) as live:
        told = ingest_environment(ticks_redis, orders_redis, live, **OPTIONS)
        async with worker("ingest", told, tmp_path):
            await record(redis, tmp_path)
    on_tape = packets_by_token(piece.segments for piece in Shelf([tmp_path]).slices(Cut()))
    await redis.delete(RAW_TICKS.name(0), "instruments.v1")
    (path,) = found([tmp_path])
    async with running_sandbox(3, ["--strikes", "6", "--tape", str(path), "--speed", "max"]) as it:
        told = ingest_environment(ticks_redis, orders_redis, it, **OPTIONS)
        async with worker("ingest", told, tmp_path):
            await eventually(lambda: it.get("state")["tape"]["state"] == "ended", within_s=30)
            played = await eventually(lambda: _all_of(redis, on_tape), within_s=10)
            _, instruments = await published.get_instruments(redis)
    assert played
    assert set(played) <= set(instruments["instrument_token"].tolist())


async def _all_of(redis, on_tape: dict[int, list[bytes]]) -> dict[int, list[bytes]]:
    played = await in_stream(redis)
    assert played
    for token, packets in played.items():
        assert packets == on_tape[token], token
    return played
