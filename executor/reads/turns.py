"""When the account may send its next read."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from shared.clock import Clock
from shared.errors import StreamError
from shared.kite.limits import HISTORICAL, OTHER, QUOTE
from shared.streams.limiter import Granted, RateLimiter, Window

#: Reads are spread a little wider than Kite allows: its clock is not ours.
_SPREAD: Final = 1.05
#: How often a Redis that is away is asked again.
_AWAY_S: Final = 0.25


def windows(other_per_second_max: int) -> dict[str, tuple[Window, ...]]:
    """Return the budgets of reads, by rate class."""
    return {
        QUOTE.name: (Window("second", QUOTE.per_s, QUOTE.requests),),
        HISTORICAL.name: (Window("second", HISTORICAL.per_s, HISTORICAL.requests),),
        OTHER.name: (Window("second", OTHER.per_s, other_per_second_max),),
    }


class Turns:
    """Turns of reads: first come, first served within a class; classes do not wait for each other.

    The shared budgets count calendar seconds. Kite may count any second: what this process sends
    keeps to the rate in every second there is.
    """

    def __init__(
        self, limiter: RateLimiter, account: str, clock: Clock, other_per_second_max: int
    ) -> None:
        self._limiter = limiter
        self._account = account
        self._clock = clock
        rates = windows(other_per_second_max)
        self._locks = {name: asyncio.Lock() for name in rates}
        self._taking = {name: asyncio.Lock() for name in rates}
        #: Not set while somebody goes first.
        self._free = {name: asyncio.Event() for name in rates}
        for event in self._free.values():
            event.set()
        self._spans_s = {name: each[0].period_s * _SPREAD for name, each in rates.items()}
        self._sent_s: dict[str, deque[float]] = {
            name: deque(maxlen=each[0].limit) for name, each in rates.items()
        }

    async def wait(self, rate: str) -> None:
        """Wait for a turn, as long as it takes: whoever calls brings the deadline."""
        async with self._locks[rate]:
            await self._free[rate].wait()
            while (wait_s := await self._try(rate)) > 0:
                await asyncio.sleep(wait_s)
                await self._free[rate].wait()

    async def wait_first(self, rate: str) -> None:
        """Wait for a turn ahead of all others of the class; one at a time may."""
        self._free[rate].clear()
        try:
            wait_s = await self._try(rate)
            while wait_s > 0:
                await asyncio.sleep(wait_s)
                wait_s = await self._try(rate)
        finally:
            self._free[rate].set()

    async def hold(self, rate: str, seconds: float) -> None:
        """Send nothing of the class for a while, whoever sends: the answer to a 429.

        Raises:
            StreamError: the budgets' Redis is away.
        """
        await self._limiter.pause(self._account, rate, seconds)

    async def _try(self, rate: str) -> float:
        """Take a turn where there is one; return 0, or seconds until it may be tried again."""
        async with self._taking[rate]:
            sent, now_s = self._sent_s[rate], self._clock.monotonic_s()
            if len(sent) == sent.maxlen and (early_s := sent[0] + self._spans_s[rate] - now_s) > 0:
                return early_s
            wait_s = await self._take(rate)
            if wait_s <= 0:
                sent.append(self._clock.monotonic_s())
            return wait_s

    async def _take(self, rate: str) -> float:
        try:
            granted = await self._limiter.take(self._account, rate)
        except StreamError:
            return _AWAY_S  # without the budgets nothing is sent
        return 0.0 if isinstance(granted, Granted) else granted.seconds
