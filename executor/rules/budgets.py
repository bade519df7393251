"""How much of the account's budgets of order requests is used, as whoever asked was told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.streams.limiter import Window

#: What happens between two scrapes is seen by the second: they are at most so far apart.
HELD_S: Final = 15.0


class Budgets:
    """What the periods of each window have used; one is remembered `HELD_S` beyond its end."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = {window.name: window for window in windows}
        #: By window: the number of a period, with what it has used.
        self._used: dict[str, dict[int, int]] = {window.name: {} for window in windows}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the windows' names."""
        return tuple(self._windows)

    def note(self, left: Sequence[int], *, reserve: bool, at_s: float) -> None:
        """Take in what a request was told to be left of each window, at that Unix second."""
        for window, rest in zip(self._windows.values(), left, strict=True):
            most = window.limit if reserve else window.limit - window.reserved
            self._forget(window, at_s)
            used, period = self._used[window.name], _period(window, at_s)
            used[period] = max(used.get(period, 0), most - rest)

    def used_ratio(self, name: str, at_s: float) -> float:
        """Return what the fullest period that is remembered has used of its limit."""
        window = self._windows[name]
        self._forget(window, at_s)
        return max(self._used[name].values(), default=0) / window.limit

    def _forget(self, window: Window, at_s: float) -> None:
        oldest = _period(window, at_s - HELD_S)
        used = self._used[window.name]
        for period in [each for each in used if each < oldest]:
            del used[period]


def _period(window: Window, at_s: float) -> int:
    return int((at_s + window.offset_s) // window.period_s)
