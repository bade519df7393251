"""The newest entries of ticks, kept so that whoever comes back misses none."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.flow import Source
from publisher.fanout.latest import Slots


@dataclass(frozen=True, slots=True)
class Past:
    """An entry as it was read: every record of it, with the slot of each."""

    source: Source
    slots: Slots
    records: NDArray[np.void]
    #: Records of it that are known already.
    begun: int = 0


class History:
    """Entries of every shard in the order they were read, at most `bytes_max` of records.

    Who comes back is served from here alone: however many come back, the streams are not read for
    them.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._entries: deque[Past] = deque()
        #: Number of the oldest entry kept; they are numbered as they come.
        self._first = 0
        self._numbers: dict[Source, int] = {}
        #: By shard the entry before the oldest that is kept.
        self._origins: dict[str, str] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, shard: str, entry_id: str) -> None:
        """Say after which entry a shard is read."""
        self._origins.setdefault(shard, entry_id)

    def append(self, past: Past) -> None:
        """Keep the newest entry."""
        self._numbers[past.source] = self._first + len(self._entries)
        self._entries.append(past)
        self.bytes += past.records.nbytes
        while self.bytes > self._bytes_max and len(self._entries) > 1:
            self._let_go()

    def since(self, at: Mapping[str, str]) -> list[Past] | None:
        """Return what came after these places, by shard; None where any of it may be missing.

        A shard that is not named counts as missed from its beginning.
        """
        done: dict[str, int] = {}
        cut: dict[int, int] = {}
        for shard, origin in self._origins.items():
            entry_id, _, rows = at.get(shard, "").partition("/")
            number = self._numbers.get(Source(shard, entry_id))
            if number is None:
                if entry_id != origin or rows:
                    return None
                done[shard] = -1
            elif rows:
                done[shard], cut[number] = number - 1, int(rows)
            else:
                done[shard] = number
        return self._after(done, cut)

    def _after(self, done: Mapping[str, int], cut: Mapping[int, int]) -> list[Past]:
        begin = max(0, min(done.values(), default=0) + 1 - self._first)
        found: list[Past] = []
        for number, past in enumerate(islice(self._entries, begin, None), begin + self._first):
            if number <= done[past.source.shard]:
                continue
            rows = cut.get(number, 0)
            found.append(Past(past.source, past.slots, past.records, rows) if rows else past)
        return found

    def _let_go(self) -> None:
        past = self._entries.popleft()
        if self._numbers.get(past.source) == self._first:
            del self._numbers[past.source]
        self._first += 1
        self._origins[past.source.shard] = past.source.entry_id
        self.bytes -= past.records.nbytes
