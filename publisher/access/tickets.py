"""Tickets for browsers, whose EventSource sends no header: good once, for half a minute."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

GOOD_FOR_S = 30.0
TICKETS_MAX = 10_000


class Tickets:
    """Keys that are waiting to be asked for; what stands in an address is worthless afterwards."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def issue(self, key: str, now_s: float) -> str:
        """Return a ticket that stands for a key; with too many waiting, the oldest is void."""
        ticket = self._make()
        self._waiting[ticket] = (key, now_s + GOOD_FOR_S)
        while len(self._waiting) > TICKETS_MAX:
            self._waiting.popitem(last=False)
        return ticket

    def redeem(self, ticket: str, now_s: float) -> str | None:
        """Return the key a ticket stands for, once; None where it is none, or too old."""
        key, good_until_s = self._waiting.pop(ticket, ("", 0.0))
        return key if key and now_s < good_until_s else None
