"""Live raw streams onto tapes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np
from redis.asyncio import Redis

from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.streams import published
from shared.streams.entry import Entry
from shared.streams.reader import TailReader
from shared.streams.tape_deck import TapeDeck
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import RAW_TICKS

#: Entries of one read, all shards together: they are the memory this takes, a megabyte each.
ENTRIES_AT_ONCE_MAX = 64
BLOCK_MS = 250
#: How often the published shard map is looked at for shards that came.
LOOK_EVERY_S = 5.0
RETRY = RetryPolicy(base_s=0.1, factor=2.0, ceiling_s=2.0)


class Recorder:
    """Reads the raw streams of some shards, or of all that are published, into a deck.

    Redis may go away: reading goes on where it was, and what was trimmed meanwhile is counted.
    """

    def __init__(
        self, redis: Redis, deck: TapeDeck, clock: Clock, *, shards: Sequence[int] = ()
    ) -> None:
        self._redis = redis
        self._deck = deck
        self._clock = clock
        self._shards = tuple(shards)
        self._following: dict[str, int] = {}
        self._reader = self._new_reader(1)
        self._look_due_s = 0.0
        self._learn_due_s = 0.0
        #: Why nothing can be read now, "" if it can.
        self.trouble = ""

    @property
    def shards(self) -> tuple[int, ...]:
        """Return the shards being recorded."""
        return tuple(sorted(self._following.values()))

    async def run(self, stopping: asyncio.Event) -> None:
        """Record until `stopping`, then close every tape, however this ends.

        Raises:
            LocalError: the disk is full or refuses; what was written is readable.
        """
        failures = 0
        try:
            while not stopping.is_set():
                try:
                    await self._turn()
                    failures, self.trouble = 0, ""
                except StreamError as error:
                    failures, self.trouble = failures + 1, str(error)
                    await asyncio.to_thread(self._deck.tend)
                    await wait(stopping, RETRY.delay_s(failures, 0.5))
        finally:
            # Not awaited: whoever cancels us still gets whole tapes.
            self._deck.close()

    async def _turn(self) -> None:
        await self._follow()
        by_stream: dict[str, list[Entry]] = {}
        for entry in await self._reader.read():
            by_stream.setdefault(entry.stream, []).append(entry)
        await self._learn(entry for entries in by_stream.values() for entry in entries)
        for stream, entries in by_stream.items():
            await asyncio.to_thread(self._deck.take, self._following[stream], entries)
        await asyncio.to_thread(self._deck.tend)

    async def _follow(self) -> None:
        """Read the streams of shards that came; the first ones from now on, later ones whole."""
        now_s = self._clock.monotonic_s()
        if now_s < self._look_due_s:
            return
        wanted = self._shards or await self._published()
        self._look_due_s = now_s + LOOK_EVERY_S
        fresh = [shard for shard in wanted if RAW_TICKS.name(shard) not in self._following]
        if not fresh:
            return
        positions: dict[str, str] = {
            stream: str(last) for stream, last in self._reader.positions.items()
        }
        start = "0" if self._following else "$"
        for shard in fresh:
            stream = RAW_TICKS.name(shard)
            self._following[stream] = shard
            positions[stream] = start
        self._reader = self._new_reader(len(self._following))
        for stream, position in positions.items():
            self._reader.add(stream, position)

    def _new_reader(self, streams: int) -> TailReader:
        count_max = max(1, ENTRIES_AT_ONCE_MAX // streams)
        return TailReader(self._redis, {}, count_max=count_max, block_ms=BLOCK_MS)

    async def _published(self) -> Sequence[int]:
        try:
            shard_map = await published.get_shard_map(self._redis)
        except MessageError:  # of another version of ours: follow what we have
            return ()
        return range(shard_map.shards) if shard_map else ()

    async def _learn(self, entries: Iterable[Entry]) -> None:
        """Fetch the instruments of a version that is new, for the tapes that begin with them."""
        for version in {_version(entry) for entry in entries}:
            now_s = self._clock.monotonic_s()
            if not version or not self._deck.lacks(version) or now_s < self._learn_due_s:
                continue
            if not await self._learn_version(version):
                self._learn_due_s = now_s + LOOK_EVERY_S

    async def _learn_version(self, version: int) -> bool:
        """Say whether these instruments are still published; a tape without them says which."""
        try:
            shard_map = await published.get_shard_map(self._redis)
            current, instruments = await published.get_instruments(self._redis)
        except MessageError:  # of another version of ours
            return False
        if shard_map is None or current != version:
            return False
        self._deck.know(version, instruments, shard_map)
        return True


async def wait(stopping: asyncio.Event, seconds: float) -> None:
    """Wait until `stopping` is set, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


def _version(entry: Entry) -> int:
    body = entry.fields.get(b"h", b"")
    if len(body) != RAW_HEADER_DTYPE.itemsize:
        return 0
    return int(np.frombuffer(body, RAW_HEADER_DTYPE)["instruments_version"][0])
