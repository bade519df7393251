"""Entries out of streams on behalf of a group that shares the work."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.errors import StreamError
from shared.streams import dead_letters, groups, ids, replies
from shared.streams.client import Word, call, call_all, check_block, raw, translate
from shared.streams.dead_letters import DeadLetter
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from shared.wire import topics

#: Entries one call takes over from the dead.
CLAIMED_MAX = groups.LOOKED_UP_MAX
STREAMS_MAX = 1024


class GroupReader:
    """One consumer of a group over one or more streams of one Redis.

    Delivery is at least once. What was read and neither acknowledged nor given up belongs to this
    consumer until another claims it. A consumer keeps its name over restarts.
    Ending a read by cancelling it may leave entries with this consumer that it never saw: let the
    block run out instead.
    """

    def __init__(  # noqa: PLR0913  # what is read, for whom, how much at once
        self,
        redis: Redis,
        streams: Sequence[str],
        group: str,
        consumer: str,
        *,
        count_max: int,
        block_ms: int,
        start: Literal["0", "$"] = "0",
    ) -> None:
        check_block(redis, block_ms)
        self._redis = redis
        self._group = group
        self._consumer = consumer
        self._count_max = count_max
        self._block_ms = block_ms
        self._start = start
        self._streams: list[str] = []
        self._last_seen: dict[str, EntryId] = {}
        self._held: defaultdict[str, set[EntryId]] = defaultdict(set)
        self.missing_total = 0
        for stream in streams:
            self._check_in(stream)

    @property
    def streams(self) -> tuple[str, ...]:
        """Return the streams being read."""
        return tuple(self._streams)

    async def add(self, stream: str) -> None:
        """Read `stream` too, from the next read on; nothing happens where it is read already.

        Raises:
            StreamError: its group could not be made.
        """
        if stream not in self._streams:
            await self._ensure(stream)
            self._check_in(stream)

    def remove(self, stream: str) -> None:
        """Stop reading `stream` from the next read on; what is unacknowledged stays pending."""
        if stream in self._streams:
            self._streams.remove(stream)
        self._last_seen.pop(stream, None)
        self._held.pop(stream, None)

    async def ensure(self) -> None:
        """Make the group on every stream that lacks it.

        A stream that was read before and lost its group goes on after the last entry seen; a
        stream that was born again, as after a restart of a Redis without a disk, from its start.

        Raises:
            StreamError: Redis refused or vanished.
        """
        for stream in tuple(self._streams):
            await self._ensure(stream)

    async def read(self) -> list[Entry]:
        """Return new entries, at most `count_max` a stream; none when the block ran out.

        Raises:
            StreamError: Redis refused or vanished.
        """
        if not self._streams:
            await asyncio.sleep(self._block_ms / 1000)
            return []
        try:
            entries = await self._read_once()
        except _NoGroup:
            await self.ensure()
            entries = await self._read_once()
        for entry in entries:
            self._last_seen[entry.stream] = entry.id
            self._held[entry.stream].add(entry.id)
        return entries

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Say that these are done, in one round trip.

        Raises:
            StreamError: Redis refused or vanished; acknowledge again, it is harmless.
        """
        by_stream: defaultdict[str, list[EntryId]] = defaultdict(list)
        for entry in entries:
            by_stream[entry.stream].append(entry.id)
        if not by_stream:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for stream, entry_ids in by_stream.items():
            pipeline.execute_command("XACK", stream, self._group, *map(str, entry_ids))
        await call_all(pipeline, f"XACK of {len(entries)} entries, first of {entries[0].stream}")
        for stream, entry_ids in by_stream.items():
            self._held[stream].difference_update(entry_ids)

    async def claim_abandoned(self, idle_ms_min: int) -> list[Entry]:
        """Take over at most `CLAIMED_MAX` entries a stream that were held for `idle_ms_min`.

        What this reader itself is working on is left alone. Entries that the stream has lost
        meanwhile are acknowledged, counted in `missing_total`: 6.2 would hand them over without
        content for ever.

        Raises:
            StreamError: Redis refused or vanished.
        """
        claimed: list[Entry] = []
        for stream in tuple(self._streams):
            claimed += await self._claim_of(stream, idle_ms_min)
        return claimed

    async def dead_letter(self, entry: Entry, reason: str, attempts: int) -> None:
        """Give the entry up: one step writes it to the dead letters, then acknowledges it.

        Raises:
            StreamError: Redis refused or vanished; the entry is still pending, or given up.
        """
        letter = DeadLetter(entry.stream, entry.id, self._group, reason, attempts, entry.fields)
        kept = dead_letters.letters_max(entry.stream)
        bound = ("MAXLEN", kept) if kept else ()
        fields = [word for pair in dead_letters.to_fields(letter).items() for word in pair]
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.execute_command("XADD", topics.dead(entry.stream), *bound, "*", *fields)
        pipeline.execute_command("XACK", entry.stream, self._group, str(entry.id))
        await call_all(pipeline, f"dead letter of {entry.id} of {entry.stream}")
        self._held[entry.stream].discard(entry.id)

    async def lag_s(self, stream: str, now_ns: int) -> float:
        """Return the age of the oldest entry the group was not given yet, in seconds; 0 if none.

        Entries trimmed unread do not count: nobody can read them any more.

        Raises:
            StreamError: Redis refused or vanished.
        """
        group = await groups.find(self._redis, stream, self._group)
        last = group.last_delivered if group else self._last_seen.get(stream, BEFORE_ALL)
        oldest = await groups.oldest_after(self._redis, stream, last)
        return max(0.0, now_ns / 1e9 - oldest.ms / 1e3) if oldest else 0.0

    async def oldest_due(self, stream: str) -> EntryId | None:
        """Return the oldest entry of `stream` that the group has not done, None for none.

        Raises:
            StreamError: Redis refused or vanished.
        """
        group = await groups.find(self._redis, stream, self._group)
        if group is None:
            return await groups.oldest_after(self._redis, stream, BEFORE_ALL)
        held = await groups.pending(self._redis, stream, self._group, idle_ms_min=0, count_max=1)
        if held:
            return held[0].id
        return await groups.oldest_after(self._redis, stream, group.last_delivered)

    async def _read_once(self) -> list[Entry]:
        with translate(f"XREADGROUP of {', '.join(self._streams[:3])}"):
            try:
                return replies.of_read(await raw(self._redis, *self._read_words()))
            except ResponseError as error:
                self._check_group(error)
                raise

    def _read_words(self) -> list[Word]:
        return self._words("COUNT", self._count_max, "BLOCK", self._block_ms)

    def _words(self, *bounds: Word) -> list[Word]:
        words: list[Word] = ["XREADGROUP", "GROUP", self._group, self._consumer, *bounds]
        return [*words, "STREAMS", *self._streams, *[">"] * len(self._streams)]

    @staticmethod
    def _check_group(answer: Any) -> None:
        # UNBLOCKED: the stream was deleted under a blocked read, on 7.0 as on 6.2.
        lost = ("NOGROUP", "UNBLOCKED")
        if isinstance(answer, ResponseError) and str(answer).startswith(lost):
            raise _NoGroup from answer

    def _check_in(self, stream: str) -> None:
        if len(self._streams) >= STREAMS_MAX:
            raise ValueError(f"reader of {STREAMS_MAX} streams cannot read {stream} too")
        self._streams.append(stream)

    async def _ensure(self, stream: str) -> None:
        group = await groups.find(self._redis, stream, self._group)
        if group is not None:
            self._last_seen.setdefault(stream, group.last_delivered)
            return
        # What was pending is gone with the group.
        self._held.pop(stream, None)
        begin = await self._begin(stream)
        await groups.create(self._redis, stream, self._group, str(begin))
        self._last_seen[stream] = begin

    async def _begin(self, stream: str) -> EntryId:
        """Return the entry after which a group that is not there begins."""
        last = self._last_seen.get(stream)
        if last is None and self._start == "0":
            return BEFORE_ALL
        newest = await groups.newest_id(self._redis, stream)
        if last is None:
            return newest
        # Ids behind what was seen: the stream was born again under a clock set back.
        return last if newest >= last else BEFORE_ALL

    async def _claim_of(self, stream: str, idle_ms_min: int) -> list[Entry]:
        held = self._held[stream]
        found = await groups.pending(
            self._redis,
            stream,
            self._group,
            idle_ms_min=idle_ms_min,
            count_max=CLAIMED_MAX + len(held),
        )
        rows = [row for row in found if row.id not in held][:CLAIMED_MAX]
        if not rows:
            return []
        claimed = await groups.claim(
            self._redis, stream, self._group, self._consumer, rows=rows, idle_ms=idle_ms_min
        )
        got = {entry.id for entry in claimed}
        held.update(got)
        lost = await groups.gone(self._redis, stream, [r.id for r in rows if r.id not in got])
        if lost:
            await self.acknowledge([Entry(stream, entry_id, {}) for entry_id in lost])
            self.missing_total += len(lost)
        return claimed


class _NoGroup(Exception):
    """The group, or its whole stream, is not there (any more)."""


class TailReader:
    """Reads every entry of some streams for itself alone, without a group.

    A position is the id after which to go on: `0` from the oldest kept, `$` from now on.
    """

    def __init__(
        self,
        redis: Redis,
        positions: Mapping[str, str | EntryId],
        *,
        count_max: int = 64,
        block_ms: int = 1000,
    ) -> None:
        check_block(redis, block_ms)
        self._redis = redis
        self._count_max = count_max
        self._block_ms = block_ms
        self._positions: dict[str, EntryId | None] = {}
        self._check_positions = False
        for stream, position in positions.items():
            self.add(stream, position)

    @property
    def positions(self) -> dict[str, EntryId]:
        """Return the last entry read of each stream; streams not begun yet are left out."""
        return {stream: last for stream, last in self._positions.items() if last is not None}

    def add(self, stream: str, position: str | EntryId) -> None:
        """Read `stream` too, after `position`, from the next read on.

        Raises:
            MessageError: the position is no id.
            ValueError: too many streams.
        """
        if len(self._positions) >= STREAMS_MAX:
            raise ValueError(f"reader of {STREAMS_MAX} streams cannot read {stream} too")
        self._positions[stream] = None if position == "$" else ids.parse(str(position))

    def remove(self, stream: str) -> None:
        """Stop reading `stream` from the next read on."""
        self._positions.pop(stream, None)

    async def pin(self) -> None:
        """Note where streams end that are read from now on: now is this moment, not the first read.

        Raises:
            StreamError: Redis refused or vanished.
        """
        for stream, position in tuple(self._positions.items()):
            if position is None:
                self._positions[stream] = await self.newest(stream)

    async def newest(self, stream: str) -> EntryId:
        """Return the id of the newest entry of a stream, `BEFORE_ALL` where there is none.

        Raises:
            StreamError: Redis refused or vanished.
        """
        return await groups.newest_id(self._redis, stream)

    async def read(self) -> list[Entry]:
        """Return new entries, at most `count_max` a stream; none when the block ran out.

        Raises:
            StreamError: Redis refused or vanished; the next read goes on where this one would have.
        """
        if not self._positions:
            await asyncio.sleep(self._block_ms / 1000)
            return []
        await self._settle()
        try:
            entries = await self._read_once()
        except StreamError:
            self._check_positions = True
            raise
        for entry in entries:
            if entry.stream in self._positions:
                self._positions[entry.stream] = entry.id
        return entries

    async def _read_once(self) -> list[Entry]:
        return replies.of_read(await call(self._redis, self._what(), *self._read_words()))

    def _what(self) -> str:
        return f"XREAD of {', '.join(list(self.positions)[:3])}"

    def _read_words(self) -> list[Word]:
        return ["XREAD", "COUNT", self._count_max, "BLOCK", self._block_ms, *self._places()]

    def _places(self) -> list[Word]:
        known = self.positions
        return ["STREAMS", *known, *map(str, known.values())]

    async def _settle(self) -> None:
        """Turn `$` into an id once: repeated, it would skip what arrives between two reads."""
        for stream, last in tuple(self._positions.items()):
            if last is not None and not self._check_positions:
                continue
            newest = await groups.newest_id(self._redis, stream)
            if last is None:
                self._positions[stream] = newest
            elif newest < last:
                # Born again, under a clock set back, while the connection was away.
                self._positions[stream] = BEFORE_ALL
        self._check_positions = False
