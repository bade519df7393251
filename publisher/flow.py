"""Ticks of one subscriber that are not conflated: each in its turn, within a budget of bytes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from publisher.latest import Slots


class Source(NamedTuple):
    """The entry that ticks came with: its shard, its id."""

    shard: str
    entry_id: str


@dataclass(slots=True)
class Chunk:
    """The ticks of one entry for one subscriber: payloads, their slots, their rows in the entry."""

    source: Source | None
    #: The hub's sequence after the entry.
    sequence: int
    slots: Slots
    rows: Slots
    payloads: list[bytes]
    #: How many of them have been handed out.
    begun: int = 0


class Poured(NamedTuple):
    """Payloads handed out in order; how far they come by shard, None where that is not known."""

    payloads: list[bytes]
    at: dict[str, str] | None


class Flow:
    """A first-in-first-out line of chunks, at most `bytes_max` at any time.

    Payloads are shared among subscribers: the budget counts them for each as if they were not, so
    what is really held is less.
    """

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._chunks: deque[Chunk] = deque()
        self.bytes = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, chunk: Chunk) -> bool:
        """Append a chunk; False, and nothing is kept of it, where it does not fit."""
        size = sum(map(len, chunk.payloads))
        if self.bytes + size > self.bytes_max:
            return False
        self._chunks.append(chunk)
        self.bytes += size
        self._length += len(chunk.payloads)
        return True

    def holds(self, sequence: int) -> bool:
        """Tell whether ticks up to this sequence are still to be handed out."""
        return bool(self._chunks) and self._chunks[0].sequence <= sequence

    def pop(self, bytes_max: int, rows_max: int, *, up_to: int | None = None) -> Poured:
        """Take the oldest ticks: one, then more while they fit; none above the sequence `up_to`."""
        taken: list[bytes] = []
        at: dict[str, str] = {}
        total = 0
        while self._chunks and len(taken) < rows_max:
            chunk = self._chunks[0]
            if up_to is not None and chunk.sequence > up_to:
                break
            size = sum(map(len, chunk.payloads)) if not chunk.begun else bytes_max + 1
            if total + size <= bytes_max and len(taken) + len(chunk.payloads) <= rows_max:
                self._chunks.popleft()
                taken += chunk.payloads
                total += size
            else:
                part = _part(chunk, bytes_max - total, rows_max - len(taken), is_first=not taken)
                if not part:
                    break
                taken += part
                total += sum(map(len, part))
                if chunk.begun == len(chunk.payloads):
                    self._chunks.popleft()
            _note(at, chunk)
        self.bytes -= total
        self._length -= len(taken)
        return Poured(taken, at or None)

    def drop(self) -> tuple[Slots, int]:
        """Forget everything; return the distinct slots of what is lost and how many ticks."""
        lost = [chunk.slots[chunk.begun :] for chunk in self._chunks]
        count = self._length
        self._chunks.clear()
        self.bytes = self._length = 0
        return np.unique(np.concatenate(lost)) if lost else np.empty(0, np.int64), count

    def remove(self, slots: Slots) -> None:
        """Forget the ticks of these slots."""
        kept: deque[Chunk] = deque()
        for chunk in self._chunks:
            stays = ~np.isin(chunk.slots[chunk.begun :], slots)
            places = np.flatnonzero(stays) + chunk.begun
            payloads = [chunk.payloads[place] for place in places.tolist()]
            if payloads:
                held = chunk.slots[places], chunk.rows[places]
                kept.append(Chunk(chunk.source, chunk.sequence, *held, payloads))
        self._chunks = kept
        self._length = sum(len(chunk.payloads) for chunk in kept)
        self.bytes = sum(len(payload) for chunk in kept for payload in chunk.payloads)


def _part(chunk: Chunk, bytes_left: int, rows_left: int, *, is_first: bool) -> list[bytes]:
    """Begin, or go on with, a chunk that does not fit whole."""
    part: list[bytes] = []
    for payload in chunk.payloads[chunk.begun : chunk.begun + rows_left]:
        if len(payload) > bytes_left and (part or not is_first):
            break
        part.append(payload)
        bytes_left -= len(payload)
    chunk.begun += len(part)
    return part


def _note(at: dict[str, str], chunk: Chunk) -> None:
    if chunk.source is None:
        return
    done = chunk.begun
    is_cut = 0 < done < len(chunk.payloads)
    rows = f"/{int(chunk.rows[done - 1]) + 1}" if is_cut else ""
    at[chunk.source.shard] = chunk.source.entry_id + rows
