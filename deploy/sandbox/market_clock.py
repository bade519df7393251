"""The sandbox's own time, which may run faster than the wall's."""

from __future__ import annotations

from shared.clock import Clock

NS_PER_S = 1_000_000_000


class MarketClock:
    """Time as the simulated exchange sees it; `advance` jumps, `scale` speeds up."""

    def __init__(self, clock: Clock, *, scale: float = 1.0) -> None:
        self._clock = clock
        self._scale = scale
        self._origin_ns = clock.now_ns()
        self._offset_ns = 0

    def now_ns(self) -> int:
        """Return the market's Unix time in nanoseconds."""
        elapsed_ns = self._clock.now_ns() - self._origin_ns
        if self._scale == 1.0:
            return self._origin_ns + elapsed_ns + self._offset_ns
        return self._origin_ns + round(elapsed_ns * self._scale) + self._offset_ns

    def now_s(self) -> int:
        """Return the market's Unix time in whole seconds, as an exchange stamps it."""
        return self.now_ns() // NS_PER_S

    def monotonic_s(self) -> float:
        """Return real seconds that never run backwards, for waiting."""
        return self._clock.monotonic_s()

    def advance(self, seconds: float) -> None:
        """Jump the market's time forward by `seconds`."""
        self._offset_ns += round(seconds * NS_PER_S)
