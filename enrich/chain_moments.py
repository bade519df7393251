"""When each chain is priced: moments of tick time, spread over the period, a tape's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from enrich.kernels.chain_points import BACKWARDS_MAX_NS, first_outside

#: A period is cut into so many looks at least.
LOOKS_MIN: Final = 20
#: Looks per chain and period: what fell behind, as over a silence, is made up for in the others.
LOOKS_PER_CHAIN: Final = 2
#: Looks are no further apart than this, so that a new owner's chains are soon there, ...
LOOK_NS_MAX: Final = 50_000_000
#: ... and no nearer together than this: more chains than fit come round less often.
LOOK_NS_MIN: Final = 5_000_000
#: The golden section of 2^16: looks of shards on one worker fall apart, however many there are.
_APART: Final = 40_503


class _Grid:
    """The looks of one shard: a period cut into equal parts, shifted against other shards."""

    def __init__(self, shard: int, chains: int, period_ns: int) -> None:
        wanted = max(LOOKS_MIN, LOOKS_PER_CHAIN * chains, period_ns // LOOK_NS_MAX)
        self.looks = max(1, min(wanted, period_ns // LOOK_NS_MIN))
        self.shift_ns = shard * _APART % 65_536 * (period_ns // self.looks) // 65_536
        self._period_ns = period_ns

    def offset_ns(self, look: int) -> int:
        """Return when a look of a period begins, in ns after the period's own beginning."""
        return -(-look * self._period_ns // self.looks)

    def around(self, at_ns: int) -> tuple[int, int]:
        """Return when the look begins and ends in which a moment lies."""
        since_ns = (at_ns - self.shift_ns) % self._period_ns
        look = since_ns * self.looks // self._period_ns
        base_ns = at_ns - since_ns
        return base_ns + self.offset_ns(look), base_ns + self.offset_ns(look + 1)


class _Clock:
    """A shard's time: the look after `end_ns` is the next, `begin_ns` guards against another."""

    def __init__(self) -> None:
        self.begin_ns = self.end_ns = 0


class Moments:
    """The clocks of shards and the next moment of each chain, told by place."""

    def __init__(self, shards: Sequence[int], period_ns: int) -> None:
        """`shards`: the one of each chain, in the order of places."""
        self._period_ns = period_ns
        self._shards = np.array(shards, np.int64)
        self._clocks: dict[int, _Clock] = {}
        self._grids: dict[int, _Grid] = {}
        #: When in each period, ns after its beginning, and when next.
        self._offsets_ns = np.zeros(len(self._shards), np.int64)
        self._due_ns = np.zeros(len(self._shards), np.int64)
        for shard in np.unique(self._shards).tolist():
            places = self.places(shard)
            grid = self._grid(shard)
            for rank, place in enumerate(places):
                look = rank * grid.looks // len(places)
                self._offsets_ns[place] = grid.shift_ns + grid.offset_ns(look)

    def places(self, shard: int) -> list[int]:
        """Return the chains of a shard."""
        places: list[int] = np.flatnonzero(self._shards == shard).tolist()
        return places

    def cut(self, shard: int, segments: np.ndarray, position: int) -> tuple[int, int]:
        """Return where the segments of the shard's present look end, with the time of the next.

        `segments`: uint8, end to end. Where all belong to it: their size, 0.
        """
        clock = self._clocks.get(shard)
        if clock is None:
            clock = self._clocks[shard] = _Clock()
        end, received_ns = first_outside(segments, position, clock.begin_ns, clock.end_ns)
        return int(end), int(received_ns)

    def advance(self, shard: int, received_ns: int) -> tuple[int, list[int]]:
        """Turn to the look of a segment: when it begins, whose moments have passed, oldest first.

        At a tape that begins, or begins anew far back, none have; from the next look on all have.
        """
        clock = self._clocks[shard]
        is_new = clock.end_ns == 0 or received_ns < clock.begin_ns
        at_ns, clock.end_ns = self._grid(shard).around(received_ns)
        clock.begin_ns = at_ns - BACKWARDS_MAX_NS
        mine = self._shards == shard
        if is_new:
            self._due_ns[mine] = 0
            return at_ns, []
        due = np.flatnonzero(mine & (self._due_ns <= at_ns))
        return at_ns, due[np.argsort(self._due_ns[due], kind="stable")].tolist()

    def done(self, place: int, at_ns: int) -> None:
        """Say that a chain was seen to: next comes its first moment half a period on, or later."""
        offset_ns = int(self._offsets_ns[place])
        since_ns = at_ns + self._period_ns // 2 - offset_ns
        self._due_ns[place] = offset_ns - (-since_ns // self._period_ns) * self._period_ns

    def begin(self, shard: int) -> None:
        """Begin a shard's time anew."""
        self._clocks.pop(shard, None)

    def adopt(self, before: Moments, places: Sequence[int]) -> None:
        """Go on from other chains; `places`: the place there of each chain here, or -1."""
        self._clocks = before._clocks  # of the same class
        for place, earlier in enumerate(places):
            if earlier >= 0:
                self._due_ns[place] = before._due_ns[earlier]

    def _grid(self, shard: int) -> _Grid:
        if shard not in self._grids:
            self._grids[shard] = _Grid(shard, len(self.places(shard)), self._period_ns)
        return self._grids[shard]
