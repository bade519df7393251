"""The broker's clock, told from the Date of its answers, and the bar while ours is wrong."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from executor.gate import Bar, Gate
from executor.metrics import CLOCK_OFF, SKEW
from shared.clock import Clock
from shared.resilience import remote_clock
from shared.resilience.remote_clock import SECOND_NS, Offset


class Skew:
    """Listens to answers; holds entries back while the clocks certainly differ by too much."""

    def __init__(self, *, clock: Clock, gate: Gate, skew_s_max: float) -> None:
        self._clock = clock
        self._gate = gate
        self._skew_ns_max = round(skew_s_max * SECOND_NS)
        self._offset: Offset | None = None

    def began_ns(self) -> int:
        """Return the moment at which a request leaves, for `heard`."""
        return self._clock.now_ns()

    def heard(self, date: str, began_ns: int) -> None:
        """Take the Date of an answer whose request left at `began_ns`; one that is none is not."""
        stated_s = _unix_second(date)
        if stated_s is None:
            return
        now_ns = self._clock.now_ns()
        offset = remote_clock.note(self._offset, stated_s, began_ns=began_ns, ended_ns=now_ns)
        self._offset = offset
        SKEW.set(offset.middle_ns / SECOND_NS)
        CLOCK_OFF.set(offset.certain_ns / SECOND_NS)
        if offset.certain_ns > self._skew_ns_max:
            sentence = (
                f"our clock is off by at least {offset.certain_ns / SECOND_NS:.1f} s from the "
                f"broker's, at most {self._skew_ns_max / SECOND_NS:g} s is allowed"
            )
            self._gate.close(Bar.CLOCK, sentence)
        else:
            self._gate.open(Bar.CLOCK)

    def server_s(self) -> float | None:
        """Return the Unix second on the broker's clock, None where it has not spoken yet."""
        if self._offset is None:
            return None
        return (self._clock.now_ns() + self._offset.middle_ns) / SECOND_NS


# Hundreds of answers carry the same second.
@lru_cache(maxsize=4)
def _unix_second(date: str) -> int | None:
    try:
        stated = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    if stated.tzinfo is None:
        stated = stated.replace(tzinfo=UTC)
    return int(stated.timestamp())
