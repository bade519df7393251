"""When the account may send its next order request."""

from __future__ import annotations

import asyncio

from executor.guard import is_expired
from executor.settings import BehaviourSettings
from shared.clock import Clock
from shared.runtime.supervise import pause
from shared.store.rows import CommandRow
from shared.streams.limiter import Granted, RateLimiter, Window

ORDER_REQUESTS = "orders"
#: The longest single wait; a pause may end, a command may expire meanwhile.
_WAIT_S_MAX = 1.0


def windows(behaviour: BehaviourSettings) -> dict[str, tuple[Window, ...]]:
    """Return the budgets of order requests: by the second, by the minute."""
    second = Window(
        "second",
        1,
        behaviour.orders_per_second_max,
        reserved=behaviour.cancels_per_second_reserved,
    )
    minute = Window(
        "minute",
        60,
        behaviour.orders_per_minute_max,
        reserved=behaviour.cancels_per_minute_reserved,
    )
    return {ORDER_REQUESTS: (second, minute)}


class Pace:
    """Turns of one account, shared with whoever else sends for it."""

    def __init__(
        self, limiter: RateLimiter, account: str, clock: Clock, stopping: asyncio.Event
    ) -> None:
        self._limiter = limiter
        self._account = account
        self._clock = clock
        self._stopping = stopping

    async def turn(self, row: CommandRow) -> bool:
        """Wait for the command's turn; False where the worker stops first.

        A command that expires meanwhile has its turn at once: it will not be sent.

        Raises:
            StreamError: the budgets' Redis is away.
        """
        while not self._stopping.is_set():
            granted = await self._limiter.take(
                self._account, ORDER_REQUESTS, reserve=row.kind == "cancel"
            )
            if isinstance(granted, Granted):
                return True
            if is_expired(row.valid_until_us, self._clock.now_ns() // 1000):
                return True
            await pause(self._stopping, min(granted.seconds, _WAIT_S_MAX))
        return False

    async def hold(self, seconds: float) -> None:
        """Send nothing for the account for a while: its answer to a 429.

        Raises:
            StreamError: the budgets' Redis is away.
        """
        await self._limiter.pause(self._account, ORDER_REQUESTS, seconds)
