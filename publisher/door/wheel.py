"""When whom to serve again: one list of moments for all, instead of a timer each."""

from __future__ import annotations

import heapq
import math

#: Who is due within the same so many seconds is served in one round.
GRAIN_S = 0.005


class Wheel:
    """Holds for each subscriber the next moment at which it is due, rounded up to a grain."""

    def __init__(self) -> None:
        self._subscribers: dict[int, list[int]] = {}
        self._grains: list[int] = []
        self._due: dict[int, int] = {}

    @property
    def next_s(self) -> float | None:
        """Return the first moment at which anybody is due."""
        return self._grains[0] * GRAIN_S if self._grains else None

    def add(self, subscriber: int, due_s: float) -> None:
        """Note when a subscriber is due; where it is due earlier already nothing changes."""
        grain = math.ceil(due_s / GRAIN_S)
        if self._due.get(subscriber, grain + 1) <= grain:
            return
        self._due[subscriber] = grain
        if grain not in self._subscribers:
            self._subscribers[grain] = []
            heapq.heappush(self._grains, grain)
        self._subscribers[grain].append(subscriber)

    def pop(self, now_s: float) -> list[int]:
        """Take those that are due by now, the longest due first."""
        due: list[int] = []
        while self._grains and self._grains[0] * GRAIN_S <= now_s:
            grain = heapq.heappop(self._grains)
            for subscriber in self._subscribers.pop(grain):
                if self._due.get(subscriber) == grain:
                    del self._due[subscriber]
                    due.append(subscriber)
        return due
