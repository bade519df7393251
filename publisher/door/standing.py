"""How subscribers stand, looked at once a second: what waits for them, what was left out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from publisher import metrics
from publisher.fanout.hub import Hub


def spread(sizes: Iterable[int]) -> list[int]:
    """Return for each of `QUEUED_BOUNDS` how many sizes do not exceed it, then how many there are.

    A look at everybody must not hold up the ticks: most are 0, which no bound is searched for.
    """
    bounds = metrics.QUEUED_BOUNDS
    counts = [0] * (len(bounds) + 1)
    for size in sizes:
        counts[bisect_left(bounds, size) if size else 0] += 1
    return list(accumulate(counts))


class Standing:
    """Tells what the hub has counted; nothing is observed where a message is made."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._told = dict(hub.skipped)

    def look(self) -> None:
        """Set the metrics."""
        metrics.ENCODED.set(self._hub.encoded)
        metrics.INSTRUMENTS.set(self._hub.instruments)
        bounds = (*map(str, metrics.QUEUED_BOUNDS), "+Inf")
        for bound, subscribers in zip(bounds, spread(self._hub.waiting_bytes), strict=True):
            metrics.QUEUED.labels(le=bound).set(subscribers)
        for policy, ticks in self._hub.skipped.items():
            metrics.SKIPPED.labels(policy=policy).inc(ticks - self._told[policy])
        self._told = dict(self._hub.skipped)
