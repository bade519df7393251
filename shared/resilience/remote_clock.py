"""How far another machine's clock is ahead of ours, told from whole seconds it states.

A statement of second s, made between our times `began` and `ended`, means that the other clock read
between s and s + 1 at some moment between the two: the offset lies in [s - ended, s + 1 - began].
Statements at different fractions of a second narrow it down.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

SECOND_NS: Final = 1_000_000_000
#: A clock that drifts by this much in ten minutes is a broken one; older statements are forgotten.
REMEMBERED_NS: Final = 600 * SECOND_NS


class Offset(Struct, frozen=True):
    """The other clock is ahead of ours by something from `low_ns` to `high_ns`."""

    low_ns: int
    high_ns: int
    since_ns: int

    @property
    def middle_ns(self) -> int:
        """Return the best guess."""
        return (self.low_ns + self.high_ns) // 2

    @property
    def certain_ns(self) -> int:
        """Return by how much the clocks differ at the very least, however read."""
        return max(0, self.low_ns, -self.high_ns)


def note(known: Offset | None, second: int, *, began_ns: int, ended_ns: int) -> Offset:
    """Return what is known after the statement of a whole Unix second."""
    stated_ns = second * SECOND_NS
    fresh = Offset(stated_ns - ended_ns, stated_ns + SECOND_NS - began_ns, ended_ns)
    if known is None or not 0 <= ended_ns - known.since_ns < REMEMBERED_NS:
        return fresh
    low_ns, high_ns = max(known.low_ns, fresh.low_ns), min(known.high_ns, fresh.high_ns)
    # Statements that contradict each other: one of the clocks was set.
    return fresh if low_ns > high_ns else replace(known, low_ns=low_ns, high_ns=high_ns)
