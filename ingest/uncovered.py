"""Instruments that had to leave their socket before another one had them, told as gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ingest import metrics
from shared.wire.control import Gap

#: Such a gap lies between sockets.
BETWEEN_SOCKETS: Final = -1
_NS_PER_US: Final = 1_000


class Uncovered:
    """Since when which instruments are held by nobody."""

    def __init__(self, tell_gap: Callable[[Gap], None], account: str) -> None:
        self._tell_gap = tell_gap
        self._account = account
        self._since_ns: dict[int, int] = {}

    @property
    def any(self) -> bool:
        """Say whether a loss goes on."""
        return bool(self._since_ns)

    def lose(self, tokens: frozenset[int], now_ns: int) -> None:
        """Begin the loss of these, unless it began already."""
        for token in tokens:
            self._since_ns.setdefault(token, now_ns)

    def regain(self, live: frozenset[int], now_ns: int) -> None:
        """End the loss of those that a socket is subscribed to."""
        if self._since_ns:
            self._end(self._since_ns.keys() & live, now_ns)

    def forget(self, wanted: frozenset[int], now_ns: int) -> None:
        """End the loss of those that nobody wants any more."""
        if self._since_ns:
            self._end(self._since_ns.keys() - wanted, now_ns)

    def end(self, now_ns: int) -> None:
        """End every loss: nothing more will be held."""
        self._end(set(self._since_ns), now_ns)

    def _end(self, tokens: set[int], now_ns: int) -> None:
        by_start: dict[int, list[int]] = {}
        for token in tokens:
            by_start.setdefault(self._since_ns.pop(token), []).append(token)
        for since_ns, together in sorted(by_start.items()):
            metrics.GAPS.labels("subscription_moved").inc()
            self._tell_gap(
                Gap(
                    from_us=since_ns // _NS_PER_US,
                    to_us=now_ns // _NS_PER_US,
                    account=self._account,
                    socket=BETWEEN_SOCKETS,
                    instrument_tokens=sorted(together),
                    cause="subscription_moved",
                )
            )
