"""Which shard each underlying has: kept as it is, grown, balanced anew once a day. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ingest.sharding import balanced, estimated, measured, rebalanced, weights
from shared.wire.shards import ShardMap

#: A version is the day's yyyymmdd times this, plus one for every other dump of that day.
LOADS_PER_DAY_MAX = 100


class Placing:
    """The shard map, with what is known of how busy underlyings are."""

    def __init__(self, shards: int) -> None:
        self._packets: Mapping[str, int] = {}
        self.shard_map = ShardMap(version=0, shards=shards, underlyings={})

    def resume(self, shard_map: ShardMap | None) -> None:
        """Go on from what was published before; a map for another number of shards is not taken."""
        if shard_map is not None and shard_map.shards == self.shard_map.shards:
            self.shard_map = shard_map

    def is_of(self, today: int) -> bool:
        """Say whether the map changed today already."""
        return self.shard_map.version >= today * LOADS_PER_DAY_MAX

    def weigh(self, days_of: Mapping[str, Mapping[int, int]], today: int) -> None:
        """Go by these counts: packets by day (yyyymmdd) by underlying."""
        self._packets = measured(days_of, today)

    def mapped(self, instruments: np.ndarray, tokens: np.ndarray, today: int) -> ShardMap:
        """Return the shard map, changed only when an underlying is not in it.

        Weights drift all day; moving an underlying for it would cost its history each time.
        """
        counted = weights(instruments, tokens)
        placed = self.shard_map.underlyings
        if not counted.keys() <= placed.keys():
            weight_of = estimated(counted, self._packets)
            version = self._next(today)
            self.shard_map = balanced(weight_of, self.shard_map.shards, version, placed)
        return self.shard_map

    def is_due(self, today: int) -> bool:
        """Say whether underlyings may be moved by measured weight: once a day."""
        return bool(self._packets) and not self.is_of(today)

    def rebalance(self, instruments: np.ndarray, tokens: np.ndarray, today: int) -> list[str]:
        """Move underlyings by measured weight; return those that moved."""
        counted = weights(instruments, tokens)
        before = self.shard_map
        self.shard_map = rebalanced(before, estimated(counted, self._packets), self._next(today))
        after = self.shard_map.underlyings
        return [name for name, shard in before.underlyings.items() if after[name] != shard]

    def _next(self, today: int) -> int:
        """Return the version of a shard map that changes now."""
        return max(today * LOADS_PER_DAY_MAX, self.shard_map.version + 1)
