"""Entries into streams, each stream kept within its topic's retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio import Redis

from shared.clock import Clock
from shared.errors import StreamError
from shared.streams import ids
from shared.streams.client import Word, call, reason_of, translate
from shared.streams.ids import EntryId
from shared.streams.line import Line
from shared.streams.retention import RetentionWindow
from shared.wire.topics import Topic

Buffer = bytes | bytearray | memoryview

#: Entries of one pipeline: what must fit into memory on both sides at once.
APPENDS_MAX = 1024
#: Entries that appear at one moment; with more, whoever reads along takes them piece by piece.
TOGETHER_MAX = 64


@dataclass(frozen=True, slots=True)
class Append:
    """One entry to be written; `part` is the shard, account or client where the topic has one."""

    topic: Topic
    part: str | int
    fields: Mapping[bytes, Buffer]

    @property
    def stream(self) -> str:
        """Return the name of the stream."""
        return self.topic.name(self.part)

    @property
    def size_bytes(self) -> int:
        """Return the bytes of the fields' values."""
        return sum(
            value.nbytes if isinstance(value, memoryview) else len(value)
            for value in self.fields.values()
        )


@dataclass(slots=True)
class _Kept:
    """What is known of one stream; `earlier` entries were there before this writer."""

    window: RetentionWindow
    earlier: int


class Writer(Protocol):
    """Whoever writes entries, into whichever log."""

    async def append(self, appends: Sequence[Append]) -> list[EntryId]:
        """Write the entries, order kept within a stream; return their ids in the same order.

        Raises:
            StreamError: at least one was refused, or nobody knows; the others may be written.
            ValueError: more than `APPENDS_MAX` at once.
        """
        ...


class StreamWriter:
    """The one writer of its streams: what it wrote decides what it trims.

    Ages are told by the server's clock, as read from the ids it gives and carried on by our
    monotonic one: a machine whose wall clock is wrong trims nothing too early.
    """

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._line = Line(redis)
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
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
        streams = [append.stream for append in appends]
        for append, stream in zip(appends, streams, strict=True):
            if stream not in self._kept:
                self._kept[stream] = await self._look_at(append)
        answers = await self._send(appends, streams)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused:
            raise StreamError(
                f"{len(refused)} of {len(appends)} entries refused, first: {reason_of(refused[0])}"
            ) from refused[0]
        return answers

    async def _look_at(self, append: Append) -> _Kept:
        """Count what an earlier writer left.

        Its entries will count as large as our first: otherwise a writer that restarts often would
        let the stream grow by its whole bound each time.
        """
        topic = append.topic
        earlier = 0
        if topic.retention_bytes:
            earlier = await call(self._redis, f"XLEN of {append.stream}", "XLEN", append.stream)
        return _Kept(RetentionWindow(topic.retention_s, topic.retention_bytes), earlier)

    async def _send(self, appends: Sequence[Append], streams: Sequence[str]) -> list[Any]:
        """Return an id or an error per append."""
        commands: list[list[Word]] = []
        positions = []
        now_ms = self._monotonic_ms() + self._server_ahead_ms
        for append, stream in zip(appends, streams, strict=True):
            # A floor ahead of the server would trim the entry that brings it.
            floor_ms = min(self._kept[stream].window.floor_ms(now_ms), self._newest_ms)
            positions.append(len(commands))
            commands.append(_xadd(append, stream, floor_ms))
            if append.topic.entries_max and floor_ms:
                # XADD trims by one bound only; such streams are small and slow.
                commands.append(["XTRIM", stream, "MINID", "~", floor_ms])
        with translate(f"XADD of {len(appends)} entries, first to {streams[0]}"):
            # Else a reader of several streams is woken by the first entry and reads it alone. Never
            # on a Redis with a file: it may drop transactions when it reads it (runbook).
            is_of_ticks = all(append.topic.redis == "ticks" for append in appends)
            is_together = is_of_ticks and len(appends) <= TOGETHER_MAX
            exchange = self._line.exchange_at_once if is_together else self._line.exchange
            all_answers = await exchange(commands)
        answers = [all_answers[position] for position in positions]
        self._count(appends, streams, answers)
        return answers

    def _count(self, appends: Sequence[Append], streams: Sequence[str], answers: list[Any]) -> None:
        """Turn answers into ids and count their entries; an error stays as it is."""
        now_ms = self._monotonic_ms()
        for at, answer in enumerate(answers):
            if isinstance(answer, Exception):
                continue
            answers[at] = entry_id = ids.parse(answer)
            self._newest_ms = entry_id.ms
            self._server_ahead_ms = entry_id.ms - now_ms
            kept = self._kept[streams[at]]
            kept.window.add(entry_id.ms, appends[at].size_bytes * (kept.earlier + 1))
            kept.earlier = 0

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
