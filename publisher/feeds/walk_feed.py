"""The made-up instruments, ticking."""

from __future__ import annotations

import asyncio
import random

from publisher.feeds.catalogue import Outlet
from publisher.feeds.walk import TOKENS, Walk

#: Seconds between two ticks of each.
EVERY_S = 0.25


class WalkFeed:
    """Ticks whether or not any stream can be read."""

    name = "walk"

    def __init__(self, outlet: Outlet, chance: random.Random, *, block_ms: int) -> None:
        self._block_s = block_ms / 1000
        self._hub = outlet.desk.hub
        self._wake = outlet.wake
        self._clock = outlet.clock
        self._chance = chance
        self._walk = Walk()
        self._due_s = 0.0

    async def begin(self) -> None:
        """Nothing has to be taken up."""

    async def step(self) -> None:
        """Wait for the next tick, at most one block; while nobody wants one, none is made."""
        left_s = self._due_s - self._clock.monotonic_s()
        await asyncio.sleep(max(0.0, min(left_s, self._block_s)))
        if self._clock.monotonic_s() < self._due_s:
            return
        self._due_s = self._clock.monotonic_s() + EVERY_S
        if not self._hub.is_wanted(TOKENS):
            return
        records = self._walk.step(self._clock.now_ns(), self._chance.random)
        self._wake(self._hub.apply(records).wake)
