"""Slices of tapes back into raw streams, at a pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from redis.asyncio import Redis

from shared.clock import Clock
from shared.streams import hygiene
from shared.streams.ids import EntryId
from shared.streams.recorder import wait
from shared.streams.writer import Append, StreamWriter
from shared.wire.playback import Pace, Slice
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import RAW_TICKS

#: Slices of one pipeline, and what they may hold together.
BATCH_SLICES_MAX = 64
BATCH_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How a replay at full speed waits for the groups that read along."""

    #: What a group may lag behind: a quarter of what a stream keeps.
    unread_bytes_max: int = RAW_TICKS.retention_bytes // 4
    #: A group that takes nothing for so long is not waited for any more.
    stalled_s_max: float = 10.0
    look_every_s: float = 0.02


@dataclass(slots=True)
class Played:
    """How far a replay is; `stalled` are streams with a group that is not waited for any more."""

    entries: int = 0
    packets: int = 0
    bytes: int = 0
    at_ns: int = 0
    late_s: float = 0.0
    stalled: list[str] = field(default_factory=list)


class Replayer:
    """Writes slices as raw entries: bytes as recorded, sequence numbers anew."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        speed: float | None,
        shard_offset: int = 0,
        patience: Patience = Patience(),
    ) -> None:
        """`speed` None is full speed: as fast as Redis takes it, and as its groups read."""
        self._redis = redis
        self._clock = clock
        self._speed = speed
        self._shard_offset = shard_offset
        self._patience = patience
        self._writer = StreamWriter(redis, clock)
        self._epoch = clock.now_ns() // 10**9
        self._sequences: dict[int, int] = {}
        self._unread: dict[str, _Unread] = {}
        self._batch: list[Slice] = []
        self._batch_bytes = 0
        self.played = Played()

    async def run(self, slices: Iterable[Slice], stopping: asyncio.Event) -> None:
        """Write every slice when it is due, until `stopping`.

        Raises:
            StreamError: Redis refused or vanished; `played` tells how far it was.
        """
        pace = Pace(self._speed, self._clock.monotonic_s())
        upcoming = iter(slices)
        # Read and decompressed off the loop, in small lots.
        while lot := await asyncio.to_thread(_lot, upcoming):
            for piece in lot:
                await self._play(piece, pace.due_s(piece.last_ns), stopping)
                if stopping.is_set():
                    return
        await self._write(stopping)

    async def _play(self, piece: Slice, due_s: float, stopping: asyncio.Event) -> None:
        """Put a slice into the batch once it is due; the batch goes out before any waiting."""
        if self._is_full(piece) or self._clock.monotonic_s() < due_s:
            await self._write(stopping)
            await self._until(due_s, stopping)
        if self._speed is not None:
            self.played.late_s = max(0.0, self._clock.monotonic_s() - due_s)
        self._batch.append(piece)
        self._batch_bytes += len(piece.segments)

    def _is_full(self, piece: Slice) -> bool:
        is_large = self._batch_bytes + len(piece.segments) > BATCH_BYTES_MAX
        return bool(self._batch) and (is_large or len(self._batch) >= BATCH_SLICES_MAX)

    async def _until(self, due_s: float, stopping: asyncio.Event) -> None:
        left_s = due_s - self._clock.monotonic_s()
        if left_s > 0:
            await wait(stopping, left_s)

    async def _write(self, stopping: asyncio.Event) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        if self._speed is None:
            await self._let_groups_read({self._stream(piece) for piece in batch}, stopping)
        entry_ids = await self._writer.append([self._append(piece) for piece in batch])
        for piece, entry_id in zip(batch, entry_ids, strict=True):
            self._unread.setdefault(self._stream(piece), _Unread()).add(
                entry_id, len(piece.segments)
            )
            self.played.entries += 1
            self.played.packets += piece.packets
            self.played.bytes += len(piece.segments)
            self.played.at_ns = max(self.played.at_ns, piece.last_ns)

    def _stream(self, piece: Slice) -> str:
        return RAW_TICKS.name(piece.shard + self._shard_offset)

    def _append(self, piece: Slice) -> Append:
        shard = piece.shard + self._shard_offset
        header = np.zeros(1, RAW_HEADER_DTYPE)
        header["account"], header["socket"] = piece.account.encode(), piece.socket
        header["sequence"], header["epoch"] = self._sequences.get(shard, 0), self._epoch
        header["packets"], header["shard"] = piece.packets, shard
        header["instruments_version"] = piece.instruments_version
        self._sequences[shard] = self._sequences.get(shard, 0) + 1
        return Append(RAW_TICKS, shard, {b"h": header.tobytes(), b"s": piece.segments})

    async def _let_groups_read(self, streams: set[str], stopping: asyncio.Event) -> None:
        """Wait while a group lags so far that the stream's retention would take from it."""
        for stream in sorted(streams):
            unread = self._unread.setdefault(stream, _Unread())
            since_s = self._clock.monotonic_s()
            while unread.bytes > self._patience.unread_bytes_max and not stopping.is_set():
                floor = await hygiene.taken_below(self._redis, stream)
                if unread.drop_below(floor):
                    since_s = self._clock.monotonic_s()
                elif self._clock.monotonic_s() - since_s > self._patience.stalled_s_max:
                    self.played.stalled.append(stream)
                    unread.give_up()
                else:
                    await wait(stopping, self._patience.look_every_s)


class _Unread:
    """What was written to a stream and not taken by every group of it."""

    def __init__(self) -> None:
        self._entries: deque[tuple[EntryId, int]] = deque()
        self._is_given_up = False
        self.bytes = 0

    def add(self, entry_id: EntryId, size_bytes: int) -> None:
        if not self._is_given_up:
            self._entries.append((entry_id, size_bytes))
            self.bytes += size_bytes

    def drop_below(self, floor: EntryId | None) -> bool:
        """Forget what is taken, everything where there is no group; say whether there was any."""
        before = self.bytes
        while self._entries and (floor is None or self._entries[0][0] < floor):
            self.bytes -= self._entries.popleft()[1]
        return self.bytes < before

    def give_up(self) -> None:
        self._is_given_up, self.bytes = True, 0
        self._entries.clear()


def _lot(slices: Iterator[Slice]) -> list[Slice]:
    lot: list[Slice] = []
    size = 0
    for piece in slices:
        lot.append(piece)
        size += len(piece.segments)
        if len(lot) >= BATCH_SLICES_MAX or size >= BATCH_BYTES_MAX:
            break
    return lot
