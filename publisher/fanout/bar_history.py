"""Closed bars of the last while, kept so that whoever comes back misses none."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.flow import Source
from publisher.fanout.latest import pick
from shared.errors import MessageError
from shared.streams import ids
from shared.streams.ids import EntryId

#: Records of one interval: 60,000 bars, seven minutes of 9,000 instruments' minutes.
INTERVAL_BYTES_MAX = 8 * 2**20
#: Intervals that are kept; those of further ones are passed on and forgotten.
INTERVALS_MAX = 16


class PastBars(NamedTuple):
    """Bars of one interval out of one entry."""

    source: Source
    interval_s: int
    bars: NDArray[np.void]


class _Interval:
    """The newest bars of one interval; `lost` is by shard the newest entry that was let go."""

    def __init__(self) -> None:
        self.kept: deque[PastBars] = deque()
        self.bytes = 0
        self.lost: dict[str, EntryId] = {}

    def append(self, past: PastBars) -> None:
        self.kept.append(past)
        self.bytes += past.bars.nbytes
        while self.bytes > INTERVAL_BYTES_MAX and len(self.kept) > 1:
            gone = self.kept.popleft()
            self.bytes -= gone.bars.nbytes
            self.lost[gone.source.shard] = ids.parse(gone.source.entry_id)


class BarHistory:
    """Bars by interval in the order they were read, each interval within the same bound."""

    def __init__(self) -> None:
        self._intervals: defaultdict[int, _Interval] = defaultdict(_Interval)
        #: By shard the entry after which it is read, the newest entry read.
        self._origins: dict[str, EntryId] = {}
        self._newest: dict[str, EntryId] = {}

    @property
    def at(self) -> dict[str, str]:
        """Return how far every shard has been read."""
        return {shard: str(entry_id) for shard, entry_id in self._newest.items()}

    def begin(self, shard: str, origin: EntryId) -> None:
        """Say after which entry a shard is read."""
        self._origins.setdefault(shard, origin)
        self._newest.setdefault(shard, origin)

    def append(self, source: Source, bars: NDArray[np.void]) -> list[PastBars]:
        """Keep the newest entry of a shard; return it by interval."""
        entry_id = ids.parse(source.entry_id)
        self._origins.setdefault(source.shard, entry_id)
        self._newest[source.shard] = entry_id
        intervals_s = np.ascontiguousarray(bars["interval_s"])
        pasts = [
            PastBars(source, interval_s, pick(bars, intervals_s == interval_s))
            for interval_s in np.unique(intervals_s).tolist()
        ]
        for past in pasts:
            if past.interval_s in self._intervals or len(self._intervals) < INTERVALS_MAX:
                self._intervals[past.interval_s].append(past)
        return pasts

    def since(self, at: Mapping[str, str], intervals_s: Iterable[int]) -> list[PastBars] | None:
        """Return what came after these places, by shard; None where any of it may be missing."""
        done = _places(at)
        if done is None or done.keys() != self._newest.keys():
            return None
        # An id ahead of what was read is of another life of the stream.
        if any(not self._origins[s] <= done[s] <= self._newest[s] for s in done):
            return None
        found: list[PastBars] = []
        for interval_s in intervals_s:
            interval = self._intervals.get(interval_s)
            if interval is None and len(self._intervals) >= INTERVALS_MAX:
                return None  # one of those that are not kept
            if interval is None:
                continue
            if any(done[shard] < lost for shard, lost in interval.lost.items()):
                return None
            found += [
                past
                for past in interval.kept
                if ids.parse(past.source.entry_id) > done[past.source.shard]
            ]
        return sorted(found, key=lambda past: ids.parse(past.source.entry_id))


def _places(at: Mapping[str, str]) -> dict[str, EntryId] | None:
    try:
        return {shard: ids.parse(entry_id) for shard, entry_id in at.items()}
    except MessageError:
        return None
