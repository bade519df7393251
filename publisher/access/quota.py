"""How often each caller may ask: a bucket that refills, one per caller."""

from __future__ import annotations

from collections import OrderedDict

#: Callers remembered; who was silent longest is forgotten first, and begins with a full bucket.
CALLERS_MAX = 10_000


class Quota:
    """At most `burst` at once, `per_s` a second in the long run, for each caller by itself."""

    def __init__(self, per_s: float, burst: int, *, callers_max: int = CALLERS_MAX) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._callers_max = callers_max
        # caller -> (what was left, when that was, in monotonic seconds)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now_s: float) -> float:
        """Take one; return 0, or how many seconds to wait where none was left."""
        left = self.left(caller, now_s)
        is_given = left >= 1.0
        self._left[caller] = (left - 1.0 if is_given else left, now_s)
        self._left.move_to_end(caller)
        if len(self._left) > self._callers_max:
            self._left.popitem(last=False)
        return 0.0 if is_given else (1.0 - left) / self._per_s

    def left(self, caller: str, now_s: float) -> float:
        """Return how many the caller may take at this moment."""
        left, at_s = self._left.get(caller, (self._burst, now_s))
        return min(self._burst, left + max(0.0, now_s - at_s) * self._per_s)

    def __len__(self) -> int:
        return len(self._left)
