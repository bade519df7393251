"""Reads what the pipeline publishes, like any consumer, into the figures."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
from redis.asyncio import Redis

from deploy.local.figures import Figures, nearest_chain
from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.runtime.supervise import pause
from shared.streams import published
from shared.streams.entry import Entry
from shared.streams.reader import TailReader
from shared.wire import codec, topics
from shared.wire.orders import OrderEvent
from shared.wire.ticks import BATCH_HEADER_DTYPE, TICK_DTYPE

SHOWN_UNDERLYING = "NIFTY"
#: How often the published instruments are looked at until there are some, in seconds.
LOOK_AGAIN_S = 0.5
#: Entries of one read a stream, its longest wait in milliseconds: a stop is noticed that late.
ENTRIES_MAX = 256
#: How long a Redis that does not answer is waited for; one that has ended is told by the watch.
PATIENCE_S = 120.0
BLOCK_MS = 250


async def read_ticks(redis: Redis, figures: Figures, clock: Clock, stopping: asyncio.Event) -> None:
    """Fold the enriched streams of every shard into the figures, from now on.

    Raises:
        StreamError: Redis refused or vanished for longer than PATIENCE_S.
        MessageError: an entry is not what the wire says.
    """
    shards = await _shards(redis, stopping)
    names = [topics.ENRICHED_TICKS.name(shard) for shard in range(shards)]
    reader = TailReader(redis, dict.fromkeys(names, "$"), count_max=ENTRIES_MAX, block_ms=BLOCK_MS)
    patient = Patient(reader, clock, stopping)
    while not stopping.is_set():
        for entry in await patient.read():
            header, records = decode(entry)
            figures.on_batch(header, records, entry.id.ms, clock.now_ns())


async def read_chain(redis: Redis, figures: Figures, clock: Clock, stopping: asyncio.Event) -> None:
    """Tell the figures which options to show, as soon as instruments are published.

    Raises:
        StreamError: Redis refused or vanished.
    """
    while not stopping.is_set():
        version, instruments = await published.get_instruments(redis)
        if version:
            figures.show_chain(nearest_chain(instruments, SHOWN_UNDERLYING, today(clock)))
            return
        await pause(stopping, LOOK_AGAIN_S)


async def read_events(
    redis: Redis, figures: Figures, account: str, clock: Clock, stopping: asyncio.Event
) -> None:
    """Fold the account's order events into the figures, from now on.

    Raises:
        StreamError: Redis refused or vanished for longer than PATIENCE_S.
        MessageError: an entry is not an order event.
    """
    reader = TailReader(
        redis, {topics.EVENTS.name(account): "$"}, count_max=ENTRIES_MAX, block_ms=BLOCK_MS
    )
    patient = Patient(reader, clock, stopping)
    while not stopping.is_set():
        for entry in await patient.read():
            event: OrderEvent = codec.decode(entry.fields, OrderEvent)
            figures.on_event(event)


class Reads(Protocol):
    """What is asked for entries again and again."""

    async def read(self) -> Sequence[Entry]:
        """Return what came, after a wait for it.

        Raises:
            StreamError: Redis refused or vanished.
        """
        ...


class Patient:
    """Reads on over a pause of Redis: workers live through it, and a view must not end them."""

    def __init__(self, reader: Reads, clock: Clock, stopping: asyncio.Event) -> None:
        self._reader = reader
        self._clock = clock
        self._stopping = stopping
        self._failing_since_s: float | None = None

    async def read(self) -> Sequence[Entry]:
        """Return what came; nothing while Redis does not answer.

        Raises:
            StreamError: Redis refused or vanished for longer than PATIENCE_S.
        """
        try:
            entries = await self._reader.read()
        except StreamError:
            now_s = self._clock.monotonic_s()
            if self._failing_since_s is None:
                self._failing_since_s = now_s
            if now_s - self._failing_since_s >= PATIENCE_S:
                raise
            await pause(self._stopping, LOOK_AGAIN_S)
            return ()
        self._failing_since_s = None
        return entries


def decode(entry: Entry) -> tuple[np.void, np.ndarray[tuple[int], np.dtype[np.void]]]:
    """Return the header and the records of an entry of an enriched stream.

    Raises:
        MessageError: a field is missing or not of the size the layout says.
    """
    try:
        header = np.frombuffer(entry.fields[b"h"], BATCH_HEADER_DTYPE)[0]
        return header, np.frombuffer(entry.fields[b"r"], TICK_DTYPE)
    except (KeyError, ValueError, IndexError) as error:
        raise MessageError(f"{entry.stream} {entry.id}: {error}") from error


def today(clock: Clock) -> int:
    """Return the date in India as the number yyyymmdd."""
    moment = dt.datetime.fromtimestamp(clock.now_ns() / 1e9, tz=ZoneInfo("Asia/Kolkata"))
    return int(moment.strftime("%Y%m%d"))


async def _shards(redis: Redis, stopping: asyncio.Event) -> int:
    while not stopping.is_set():
        shard_map = await published.get_shard_map(redis)
        if shard_map is not None:
            return shard_map.shards
        await pause(stopping, LOOK_AGAIN_S)
    return 0
