"""Subscribers that have something to take, many of them served in one turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from publisher.door.wheel import Wheel
from shared.clock import Clock

#: Subscribers served before reading and answering get their turn.
SERVED_AT_ONCE_MAX = 128


class Rounds:
    """Serves whoever was woken, once for all that came since: the busier, the more in a message.

    What arrives while others are served waits in the hub, so a publisher short of time writes fewer
    and larger messages instead of falling behind.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[int]], None],
        waited: Callable[[float], None],
        clock: Clock,
    ) -> None:
        self._serve = serve
        #: Told after each turn how long the first of those served had waited for it: the longest
        #: that a tick has spent in the process.
        self.waited = waited
        self._clock = clock
        self._ready: OrderedDict[int, float] = OrderedDict()
        self._work = asyncio.Event()
        self._wheel = Wheel()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    def wake(self, subscribers: Iterable[int]) -> None:
        """Serve these soon."""
        now_s = self._clock.monotonic_s()
        if self._ready:
            for subscriber in subscribers:
                self._ready.setdefault(subscriber, now_s)
        else:  # nearly always: all at once
            self._ready.update(dict.fromkeys(subscribers, now_s))
        if self._ready:
            self._work.set()

    def later(self, subscriber: int, wait_s: float) -> None:
        """Serve this one in so many seconds."""
        self._wheel.add(subscriber, self._clock.monotonic_s() + wait_s)
        self._wind()

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until told to stop."""
        try:
            while not stopping.is_set():
                await self._work.wait()
                self._work.clear()
                while self._ready and not stopping.is_set():
                    self._turn()
                    await asyncio.sleep(0)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def stop(self) -> None:
        """End a run that waits."""
        self._work.set()

    def _turn(self) -> None:
        ready = self._ready
        since_s = next(iter(ready.values()))
        if len(ready) <= SERVED_AT_ONCE_MAX:
            serving = list(ready)
            ready.clear()
        else:
            serving = [ready.popitem(last=False)[0] for _ in range(SERVED_AT_ONCE_MAX)]
        self._serve(serving)
        self.waited(self._clock.monotonic_s() - since_s)

    def _wind(self) -> None:
        """Have the one timer go off when the next subscriber is due."""
        next_s = self._wheel.next_s
        if next_s is None or (self._timer is not None and self._timer_s <= next_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0.0, next_s - self._clock.monotonic_s())
        self._timer, self._timer_s = (
            asyncio.get_running_loop().call_later(wait_s, self._ring),
            next_s,
        )

    def _ring(self) -> None:
        self._timer = None
        self.wake(self._wheel.pop(self._clock.monotonic_s()))
        self._wind()
