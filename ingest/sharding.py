"""Underlyings to shards, balanced by weight."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.wire.shards import ShardMap


def weights(instruments: np.ndarray, tokens: np.ndarray) -> dict[str, int]:
    """Return how many of `tokens`, shape (m,), each underlying has among the instruments."""
    wanted = instruments[np.isin(instruments["instrument_token"], tokens)]
    names, counts = np.unique(wanted["underlying"], return_counts=True)
    return {name.decode(): int(count) for name, count in zip(names, counts, strict=True)}


def balanced(
    weight_of: Mapping[str, int],
    shards: int,
    version: int,
    placed: Mapping[str, int] | None = None,
) -> ShardMap:
    """Return a map in which the heaviest underlyings go first, each to the lightest shard.

    Underlyings that are `placed` already stay where they are. The same weights give the same map.

    Source: Graham (1969), longest processing time first; at most 4/3 of the best balance.
    """
    underlyings = dict(placed or {})
    load = [0] * shards
    for name, shard in underlyings.items():
        load[shard] += weight_of.get(name, 0)
    fresh = [item for item in weight_of.items() if item[0] not in underlyings]
    for name, weight in sorted(fresh, key=lambda item: (-item[1], item[0])):
        lightest = min(range(shards), key=lambda shard: (load[shard], shard))
        load[lightest] += weight
        underlyings[name] = lightest
    return ShardMap(version=version, shards=shards, underlyings=underlyings)


def assign(instruments: np.ndarray, shard_map: ShardMap) -> np.ndarray:
    """Return the instruments with their shard filled in, shape (n,)."""
    names, inverse = np.unique(instruments["underlying"], return_inverse=True)
    shards = np.array([shard_map.shard_of(name.decode()) for name in names], dtype=np.uint16)
    placed = instruments.copy()
    placed["shard"] = shards[inverse.ravel()]
    return placed
