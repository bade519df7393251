"""Ticks of one subscriber that are not conflated: each in its turn, within a budget of bytes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.latest import Slots


class Source(NamedTuple):
    """The entry that ticks came with: its shard, its id."""

    shard: str
    entry_id: str


#: Where a tick belongs, which row of its entry it was.
PLACE_DTYPE: np.dtype[np.void] = np.dtype([("slot", np.int32), ("row", np.int32)])


@dataclass(slots=True)
class Chunk:
    """The ticks of one entry for subscribers that want the same of it; never changed once made."""

    source: Source | None
    #: The hub's sequence after the entry.
    sequence: int
    #: Of PLACE_DTYPE, as bytes: own ones, so that no chunk keeps another's alive.
    places: bytes
    payloads: list[bytes]
    #: Of all payloads, in bytes.
    size: int

    @property
    def slots(self) -> Slots:
        """Return the slot of each tick."""
        return self._column("slot")

    @property
    def rows(self) -> Slots:
        """Return the row of each tick in its entry."""
        return self._column("row")

    def without(self, slots: Slots, begun: int) -> Chunk | None:
        """Return what is left from `begun` on without these slots; None for nothing."""
        stays = np.flatnonzero(~np.isin(self.slots[begun:], slots)) + begun
        if not len(stays):
            return None
        payloads = [self.payloads[place] for place in stays.tolist()]
        places = np.frombuffer(self.places, PLACE_DTYPE)[stays].tobytes()
        return Chunk(self.source, self.sequence, places, payloads, sum(map(len, payloads)))

    def _column(self, name: str) -> Slots:
        column: NDArray[np.int32] = np.frombuffer(self.places, PLACE_DTYPE)[name]
        return column.astype(np.int64)


class Poured(NamedTuple):
    """Payloads handed out in order; how far they come by shard, None where that is not known."""

    payloads: list[bytes]
    at: dict[str, str] | None


class Flow:
    """A first-in-first-out line of chunks, at most `bytes_max` at any time.

    Chunks are shared among subscribers: the budget counts them for each as if they were not, so
    what is really held is less.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._chunks: deque[Chunk] = deque()
        #: How many of the first chunk's ticks have been handed out.
        self._begun = 0
        self.bytes = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, chunk: Chunk) -> bool:
        """Append a chunk; False, and nothing is kept of it, where it does not fit."""
        if self.bytes + chunk.size > self.bytes_max:
            return False
        self._chunks.append(chunk)
        self.bytes += chunk.size
        self._length += len(chunk.payloads)
        return True

    def holds(self, sequence: int) -> bool:
        """Tell whether ticks up to this sequence are still to be handed out."""
        return bool(self._chunks) and self._chunks[0].sequence <= sequence

    def unread(self) -> list[bytes]:
        """Return everything that has not been handed out, left where it is."""
        everything = [payload for chunk in self._chunks for payload in chunk.payloads]
        return everything[self._begun :]

    def pop_all(self, bytes_max: int, rows_max: int) -> tuple[Chunk, ...] | None:
        """Take every chunk, whole; None, and nothing is taken, where that is more than one message.

        What has been begun is for `pop` to end.
        """
        if self._begun or self.bytes > bytes_max or self._length > rows_max:
            return None
        chunks = tuple(self._chunks)
        self._clear()
        return chunks

    def pop(self, bytes_max: int, rows_max: int, *, up_to: int | None = None) -> Poured:
        """Take the oldest ticks: one, then more while they fit; none above the sequence `up_to`."""
        taken: list[bytes] = []
        at: dict[str, str] = {}
        left = bytes_max
        while self._chunks and len(taken) < rows_max:
            chunk = self._chunks[0]
            if up_to is not None and chunk.sequence > up_to:
                break
            part = self._part(chunk, left, rows_max - len(taken), is_first=not taken)
            if not part:
                break
            taken += part
            left -= sum(map(len, part))
            note(at, chunk, self._begun)
            if self._begun == len(chunk.payloads):
                self._chunks.popleft()
                self._begun = 0
        self.bytes -= bytes_max - left
        self._length -= len(taken)
        return Poured(taken, at or None)

    def drop(self) -> tuple[Slots, int]:
        """Forget everything; return the distinct slots of what is lost and how many ticks."""
        lost = [chunk.slots for chunk in self._chunks]
        if lost:
            lost[0] = lost[0][self._begun :]
        count = self._length
        self._clear()
        return np.unique(np.concatenate(lost)) if lost else np.empty(0, np.int64), count

    def remove(self, slots: Slots) -> None:
        """Forget the ticks of these slots."""
        begun, chunks = self._begun, self._chunks
        self._clear()
        for chunk in chunks:
            kept = chunk.without(slots, begun)
            begun = 0
            if kept is not None:
                self._chunks.append(kept)
                self.bytes += kept.size
                self._length += len(kept.payloads)

    def _part(
        self, chunk: Chunk, bytes_left: int, rows_left: int, *, is_first: bool
    ) -> list[bytes]:
        """Return what fits of the first chunk, from where it has been begun."""
        payloads, begun = chunk.payloads, self._begun
        if not begun and chunk.size <= bytes_left and len(payloads) <= rows_left:
            self._begun = len(payloads)
            return payloads
        part: list[bytes] = []
        for payload in payloads[begun : begun + rows_left]:
            if len(payload) > bytes_left and (part or not is_first):
                break
            part.append(payload)
            bytes_left -= len(payload)
        self._begun += len(part)
        return part

    def _clear(self) -> None:
        self._chunks = deque()
        self._begun = self.bytes = self._length = 0


def note(at: dict[str, str], chunk: Chunk, done: int) -> None:
    """Note how far the first `done` ticks of a chunk come."""
    if chunk.source is None:
        return
    is_cut = 0 < done < len(chunk.payloads)
    rows = f"/{int(chunk.rows[done - 1]) + 1}" if is_cut else ""
    at[chunk.source.shard] = chunk.source.entry_id + rows
