"""How often a repeating event may be written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from shared.clock import Clock


class Throttle:
    """Lets an event through at most `per_s` times a second, counting what it held back."""

    def __init__(self, per_s: float, *, clock: Clock, keys_max: int = 1000) -> None:
        self._interval_s = 1.0 / per_s
        self._clock = clock
        self._keys_max = keys_max
        # key -> (monotonic seconds of the last line, events held back since)
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def admit(self, key: Hashable = "") -> int | None:
        """Return how many events were held back since the last one, or None to hold this back.

        The longest silent key is forgotten when there are more than `keys_max`.
        """
        now_s = self._clock.monotonic_s()
        last_s, suppressed = self._seen.get(key, (None, 0))
        if last_s is not None and now_s - last_s < self._interval_s:
            self._seen[key] = (last_s, suppressed + 1)
            return None
        self._seen[key] = (now_s, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > self._keys_max:
            self._seen.popitem(last=False)
        return suppressed
