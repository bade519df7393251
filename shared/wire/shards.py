"""The shard map: underlying to shard, as data.

Published in the tick Redis as the string `shards.v1`, JSON.
"""

from __future__ import annotations

import msgspec


class ShardMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Which shard carries an underlying, its futures and its options.

    An underlying that is not named belongs to shard 0.
    """

    version: int
    shards: int
    underlyings: dict[str, int]

    def shard_of(self, underlying: str) -> int:
        """Return the shard of a canonical underlying name."""
        return self.underlyings.get(underlying, 0)
