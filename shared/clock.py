"""The only code that asks the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for stamping, monotonic time for waiting."""

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, from an arbitrary origin."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds, UTC."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, from an arbitrary origin."""
        return time.monotonic()


class ManualClock:
    """A clock that moves when told to, for tests and replays."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._monotonic_s = 0.0

    def now_ns(self) -> int:
        """Return the time last set, in Unix nanoseconds."""
        return self._now_ns

    def monotonic_s(self) -> float:
        """Return the seconds advanced so far."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both readings forward by `seconds`."""
        self._now_ns += round(seconds * 1e9)
        self._monotonic_s += seconds
