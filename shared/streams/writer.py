"""Entries into streams, each stream kept within its topic's retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from shared.clock import Clock
from shared.errors import StreamError
from shared.streams import ids
from shared.streams.client import Word, call, reason_of, translate
from shared.streams.ids import EntryId
from shared.streams.retention import RetentionWindow
from shared.wire.topics import Topic

Buffer = bytes | bytearray | memoryview

#: Entries of one pipeline: what must fit into memory on both sides at once.
APPENDS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Append:
    """One entry to be written; `part` is the shard, account or client where the topic has one."""

    topic: Topic
    part: str | int
    fields: Mapping[bytes, Buffer]

    @property
    def size_bytes(self) -> int:
        """Return the bytes of the fields' values."""
        return sum(memoryview(value).nbytes for value in self.fields.values())


class StreamWriter:
    """The one writer of its streams: what it wrote decides what it trims.

    Ages are told by the server's clock, as read from the ids it gives and carried on by our
    monotonic one: a machine whose wall clock is wrong trims nothing too early.
    """

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._windows: dict[str, RetentionWindow] = {}
        self._newest_ms = 0
        self._server_ahead_ms = 0

    async def append(self, appends: Sequence[Append]) -> list[EntryId]:
        """Write the entries in one round trip; return their ids in the same order.

        Raises:
            StreamError: at least one was refused, or nobody knows; the others may be written.
            ValueError: more than `APPENDS_MAX` at once.
        """
        if len(appends) > APPENDS_MAX:
            raise ValueError(f"{len(appends)} appends at once, over {APPENDS_MAX}")
        if not appends:
            return []
        replies = await self._send(appends)
        refused = [reply for reply in replies if isinstance(reply, Exception)]
        written: list[EntryId] = []
        for append, reply in zip(appends, replies, strict=True):
            if not isinstance(reply, Exception):
                written.append(ids.parse(reply))
                await self._count(append, written[-1])
        if refused:
            raise StreamError(
                f"{len(refused)} of {len(appends)} entries refused, first: {reason_of(refused[0])}"
            ) from refused[0]
        return written

    async def _send(self, appends: Sequence[Append]) -> list[Any]:
        """Return an id or an error per append."""
        pipeline = self._redis.pipeline(transaction=False)
        positions = []
        for append in appends:
            stream = append.topic.name(append.part)
            floor_ms = self._floor_ms(stream)
            positions.append(len(pipeline))
            pipeline.execute_command(*_xadd(append, stream, floor_ms))
            if append.topic.entries_max and floor_ms:
                # XADD trims by one bound only; such streams are small and slow.
                pipeline.execute_command("XTRIM", stream, "MINID", "~", floor_ms)
        with translate(f"XADD of {len(appends)} entries, first to {_name(appends[0])}"):
            replies = await pipeline.execute(raise_on_error=False)
        return [replies[position] for position in positions]

    def _floor_ms(self, stream: str) -> int:
        window = self._windows.get(stream)
        if window is None:
            return 0
        floor_ms = window.floor_ms(self._monotonic_ms() + self._server_ahead_ms)
        # A floor ahead of the server would trim the entry that brings it.
        return min(floor_ms, self._newest_ms)

    async def _count(self, append: Append, entry_id: EntryId) -> None:
        self._newest_ms = entry_id.ms
        self._server_ahead_ms = entry_id.ms - self._monotonic_ms()
        topic = append.topic
        if not (topic.retention_s or topic.retention_bytes):
            return
        stream = topic.name(append.part)
        size_bytes = append.size_bytes
        window = self._windows.get(stream)
        if window is None:
            window = RetentionWindow(topic.retention_s, topic.retention_bytes)
            self._windows[stream] = window
            if topic.retention_bytes:
                size_bytes *= await self._length(stream)
        window.add(entry_id.ms, size_bytes)

    async def _length(self, stream: str) -> int:
        """Return how many entries an earlier writer left, this one's first included.

        They count as large as this one's first: otherwise a writer that restarts often would
        let the stream grow by its whole bound each time.
        """
        length: int = await call(self._redis, f"XLEN of {stream}", "XLEN", stream)
        return max(1, length)

    def _monotonic_ms(self) -> int:
        return round(self._clock.monotonic_s() * 1000)


def _xadd(append: Append, stream: str, floor_ms: int) -> list[Word]:
    words: list[Word] = ["XADD", stream]
    if append.topic.entries_max:
        words += ["MAXLEN", "~", append.topic.entries_max]
    elif floor_ms:
        words += ["MINID", "~", floor_ms]
    words.append("*")
    for name, value in append.fields.items():
        words += [name, value]
    return words


def _name(append: Append) -> str:
    return append.topic.name(append.part)
