"""What one connection's messages may cost, so that nobody's questions delay everybody's answers."""

from __future__ import annotations

import asyncio

from publisher import metrics
from shared.clock import Clock

#: Seconds of work that may be used at once, after a while without any.
BURST_S = 0.02
#: Longest pause after one message.
PAUSE_S_MAX = 2.0


class Allowance:
    """A share of the process's time: what is used beyond it is waited for before the next message.

    Whoever is not read meanwhile fills its own buffers, then stands still.
    """

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._left_s = BURST_S
        self._counted_s = clock.monotonic_s()

    @property
    def now_s(self) -> float:
        """Return the moment at which work begins."""
        return self._clock.monotonic_s()

    def spend(self, begun_s: float, ended_s: float) -> float:
        """Count work between two moments; return how long to wait before there is more."""
        earned_s = (ended_s - self._counted_s) * self._share
        self._counted_s = ended_s
        self._left_s = min(BURST_S, self._left_s + earned_s) - (ended_s - begun_s)
        return min(PAUSE_S_MAX, max(0.0, -self._left_s / self._share))

    async def keep(self, begun_s: float) -> None:
        """Count the work since that moment; wait where it was more than is allowed."""
        wait_s = self.spend(begun_s, self._clock.monotonic_s())
        if wait_s > 0.0:
            metrics.INBOUND_PAUSES.inc()
            await asyncio.sleep(wait_s)
