"""Underlyings to shards, balanced by weight.

Weights are packets a day where enrichment has counted them, else instruments. A map is balanced
again calmly: only clear gains, few moves, and an underlying that outweighs a shard's fair part by a
quarter has a shard to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Final

import numpy as np

from shared.wire.shards import ShardMap

#: A day with fewer packets than this part of the busiest day's was no whole day of trading.
WHOLE_DAY_MIN: Final = 0.5
#: Over a shard's fair part by this much: an underlying is hot, a shard is too heavy.
UNEVEN_MIN: Final = 1.25
#: The heaviest shard has to become lighter by this part, or nothing moves.
GAIN_MIN: Final = 0.1
#: Underlyings moved for balance at one time; a move costs the underlying its bars of that moment.
MOVES_MAX: Final = 16


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


def measured(days_of: Mapping[str, Mapping[int, int]], today: int) -> dict[str, int]:
    """Return packets by underlying on the newest whole day before today; none without one.

    `days_of`: packets by day, yyyymmdd, by underlying. A holiday, on which sockets send what they
    know once, is no whole day.
    """
    totals: dict[int, int] = {}
    for days in days_of.values():
        for day, packets in days.items():
            if day < today:
                totals[day] = totals.get(day, 0) + packets
    busiest = max(totals.values(), default=0)
    whole = [day for day, packets in totals.items() if packets >= WHOLE_DAY_MIN * busiest > 0]
    if not whole:
        return {}
    found = {name: days.get(max(whole), 0) for name, days in days_of.items()}
    return {name: packets for name, packets in found.items() if packets}


def estimated(counted: Mapping[str, int], packets: Mapping[str, int]) -> dict[str, int]:
    """Return packets for every counted underlying: measured, else as busy as the middle one.

    `counted`: instruments wanted by underlying, whose unit is kept where nothing is measured.
    """
    rates = [packets[name] / count for name, count in counted.items() if packets.get(name)]
    if not rates:
        return dict(counted)
    usual = median(rates)
    return {name: packets.get(name) or round(usual * each) for name, each in counted.items()}


def rebalanced(shard_map: ShardMap, weight_of: Mapping[str, int], version: int) -> ShardMap:
    """Return a map of that version with few underlyings moved; the very same one for no gain."""
    loads = _Loads(shard_map, weight_of)
    reserved = loads.free_the_hot()
    loads.even_out(reserved)
    if loads.placed == shard_map.underlyings:
        return shard_map
    return ShardMap(version=version, shards=shard_map.shards, underlyings=loads.placed)


class _Loads:
    """Where underlyings are, what their shards carry."""

    def __init__(self, shard_map: ShardMap, weight_of: Mapping[str, int]) -> None:
        self.placed = dict(shard_map.underlyings)
        self._weight_of = weight_of
        self._load = [0] * shard_map.shards
        for name, shard in self.placed.items():
            self._load[shard] += weight_of.get(name, 0)

    def free_the_hot(self) -> set[int]:
        """Give each hot underlying a shard to itself; return those shards."""
        fair = sum(self._load) / len(self._load)
        hot = [name for name in self._weighing() if self._weight_of[name] >= UNEVEN_MIN * fair]
        reserved: set[int] = set()
        for name in hot:
            if self.placed[name] in reserved:
                self._move(name, self._lightest(reserved))
            reserved.add(self.placed[name])
        for name in self._weighing():
            if name not in hot and self.placed[name] in reserved:
                self._move(name, self._lightest(reserved))
        return reserved

    def even_out(self, reserved: set[int]) -> None:
        """Move what makes the heaviest of the other shards lighter, if that is a clear gain."""
        others = [shard for shard in range(len(self._load)) if shard not in reserved]
        before, placed = max(self._load[shard] for shard in others), dict(self.placed)
        if before < UNEVEN_MIN * sum(self._load[shard] for shard in others) / len(others):
            return
        for _ in range(MOVES_MAX):
            heaviest = max(others, key=lambda shard: (self._load[shard], -shard))
            lightest = self._lightest(reserved)
            name = self._best(heaviest, lightest)
            if name is None:
                break
            self._move(name, lightest)
        if max(self._load[shard] for shard in others) > (1.0 - GAIN_MIN) * before:
            self.placed = placed

    def _best(self, heaviest: int, lightest: int) -> str | None:
        """Return the underlying whose move leaves the heavier of the two lightest, if any does."""

        def heavier(name: str) -> int:
            weight = self._weight_of[name]
            return max(self._load[heaviest] - weight, self._load[lightest] + weight)

        names = [name for name in self._weighing() if self.placed[name] == heaviest]
        best = min(names, key=heavier, default=None)
        return best if best is not None and heavier(best) < self._load[heaviest] else None

    def _weighing(self) -> list[str]:
        """Return the placed underlyings that weigh anything, heaviest first."""
        names = [name for name in self.placed if self._weight_of.get(name, 0) > 0]
        return sorted(names, key=lambda name: (-self._weight_of[name], name))

    def _lightest(self, reserved: set[int]) -> int:
        shards = [shard for shard in range(len(self._load)) if shard not in reserved]
        return min(shards, key=lambda shard: (self._load[shard], shard))

    def _move(self, name: str, shard: int) -> None:
        weight = self._weight_of.get(name, 0)
        self._load[self.placed[name]] -= weight
        self._load[shard] += weight
        self.placed[name] = shard


def assign(instruments: np.ndarray, shard_map: ShardMap) -> np.ndarray:
    """Return the instruments with their shard filled in, shape (n,)."""
    names, inverse = np.unique(instruments["underlying"], return_inverse=True)
    shards = np.array([shard_map.shard_of(name.decode()) for name in names], dtype=np.uint16)
    placed = instruments.copy()
    placed["shard"] = shards[inverse.ravel()]
    return placed
