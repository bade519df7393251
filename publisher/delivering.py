"""Subscribers that have something to take, each served in its turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from shared.clock import Clock

#: Subscribers served before reading and answering get their turn.
SERVED_AT_ONCE_MAX = 64


class Rounds:
    """Serves whoever was woken, once for all that came since: the busier, the more in a message.

    What arrives while others are served waits in the hub, so a publisher short of time writes fewer
    and larger messages instead of falling behind.
    """

    def __init__(
        self, serve: Callable[[int], None], waited: Callable[[float], None], clock: Clock
    ) -> None:
        self._serve = serve
        #: Told how long each had to wait for its turn: the time a tick spends in the process.
        self.waited = waited
        self._clock = clock
        self._ready: OrderedDict[int, float] = OrderedDict()
        self._work = asyncio.Event()

    def wake(self, subscribers: Iterable[int]) -> None:
        """Serve these soon."""
        now_s = self._clock.monotonic_s()
        for subscriber in subscribers:
            self._ready.setdefault(subscriber, now_s)
        if self._ready:
            self._work.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until told to stop."""
        while not stopping.is_set():
            await self._work.wait()
            self._work.clear()
            while self._ready and not stopping.is_set():
                for _ in range(min(SERVED_AT_ONCE_MAX, len(self._ready))):
                    subscriber, since_s = self._ready.popitem(last=False)
                    self._serve(subscriber)
                    self.waited(self._clock.monotonic_s() - since_s)
                await asyncio.sleep(0)

    def stop(self) -> None:
        """End a run that waits."""
        self._work.set()
