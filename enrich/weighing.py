"""How many packets each underlying brought; pure."""

from __future__ import annotations

import numpy as np


class Weighing:
    """Packets by underlying and shard, counted from where it was asked last."""

    def __init__(self, published: np.ndarray, packets: np.ndarray) -> None:
        """`packets`: int64 per instrument of `published`, shape (n,), only ever rising."""
        names, self._underlying = np.unique(published["underlying"], return_inverse=True)
        self._names = [name.decode() for name in names]
        self._shards = np.ascontiguousarray(published["shard"])
        self._packets = packets
        self._told = packets.copy()

    def take(self, shard: int) -> dict[str, int]:
        """Return packets by underlying of a shard since this was called for it last."""
        rows = self._shards == shard
        fresh = np.where(rows, self._packets - self._told, 0)
        self._told[rows] = self._packets[rows]
        sums = np.bincount(self._underlying.ravel(), fresh, minlength=len(self._names))
        return {self._names[at]: int(sums[at]) for at in np.flatnonzero(sums).tolist()}
