"""Which shard a worker hands on so that the load evens out; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Bytes a second that a shard counts for besides what it brings: an idle one is work, too.
WEIGHT_MIN = 1_000.0
#: Loads that differ by less than this part of the heavier one are even: no to and fro.
GAP_MIN = 0.1


def total(weights: Mapping[int, float]) -> float:
    """Return the load of somebody with these shards, by weight in bytes a second."""
    return sum(weight + WEIGHT_MIN for weight in weights.values())


def to_give(mine: Mapping[int, float], others: Iterable[float]) -> int | None:
    """Return the shard to hand on, None for none.

    `mine`: weight by shard. `others`: the loads of live workers with room for another shard. What
    goes leaves the taker no heavier than the giver. The last shard is never given, so a hot one
    ends alone on its worker.
    """
    lightest = min(others, default=None)
    if lightest is None or len(mine) < 2:  # noqa: PLR2004  # the last one stays
        return None
    load = total(mine)
    if load - lightest < GAP_MIN * load:
        return None
    moved = {shard: weight + WEIGHT_MIN for shard, weight in mine.items()}
    fit = [shard for shard, weight in moved.items() if lightest + weight <= load - weight]
    return max(fit, key=lambda shard: (moved[shard], -shard), default=None)
