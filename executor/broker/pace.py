"""When the account may send its next order request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from executor.broker.skew import Skew
from executor.metrics import BUDGET_USED
from executor.rules.budgets import Budgets
from executor.rules.guard import is_expired
from executor.settings import BehaviourSettings
from shared.clock import Clock
from shared.errors import StreamError
from shared.runtime.supervise import pause
from shared.store.rows import CommandRow
from shared.streams.limiter import Granted, RateLimiter, WaitUntil, Window

ORDER_REQUESTS = "orders"
#: The broker counts calendar seconds of its own clock, whose fractions nobody here knows: no more
#: than a second's budget leaves in any second, with room for requests that travel unequally long.
SPREAD_MS: Final = 1_100
#: The longest single wait; a pause may end, a command may expire meanwhile.
_WAIT_S_MAX = 1.0
#: A turn taken ahead is of a calendar second that may end: it counts for this long only.
_AHEAD_S_MAX = 0.02
#: After a 429 everything but cancels goes at half the pace for so long.
SLOW_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A turn taken before somebody needed it; one out of the reserve is for cancels alone."""

    is_reserved: bool
    taken_s: float


def windows(behaviour: BehaviourSettings) -> dict[str, tuple[Window, ...]]:
    """Return the budgets of order requests: by the second, by the minute."""
    second = Window(
        "second",
        1,
        behaviour.orders_per_second_max,
        reserved=behaviour.cancels_per_second_reserved,
        spread_ms=SPREAD_MS,
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
        self,
        limiter: RateLimiter,
        account: str,
        clock: Clock,
        stopping: asyncio.Event,
        *,
        skew: Skew | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self._limiter = limiter
        self._account = account
        self._clock = clock
        self._stopping = stopping
        self._skew = skew
        self._budgets = budgets
        for name in budgets.names if budgets is not None else ():
            BUDGET_USED.labels(name).set_function(partial(self._used_ratio, name))
        self._taking = asyncio.Lock()
        self._foreseen: bool | None = None
        self._foreseeing = asyncio.Event()
        self._ahead: _Ahead | None = None
        self._slow_until_s = 0.0

    async def warm(self) -> None:
        """Make the first turn as fast as any other.

        Raises:
            StreamError: the budgets' Redis is away.
        """
        await self._limiter.warm()

    def foresee(self, *, only_cancels: bool) -> None:
        """Say that a command is about to need a turn: it is taken while the journal is written."""
        self._foreseen = only_cancels
        self._foreseeing.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Take turns ahead, one at a time, until `stopping`; `foresee` once more to be let go."""
        while not stopping.is_set():
            await self._foreseeing.wait()
            self._foreseeing.clear()
            if self._foreseen is not None and not stopping.is_set():
                await self._take_ahead(reserve=self._foreseen)

    async def _take_ahead(self, *, reserve: bool) -> None:
        async with self._taking:
            try:
                granted = await self._take(reserve=reserve)
            except StreamError:
                return  # whoever needs the turn asks again, and is told
            if isinstance(granted, Granted):
                self._ahead = _Ahead(reserve, self._clock.monotonic_s())

    async def is_ahead(self, row: CommandRow) -> bool:
        """Wait for a turn that is being taken ahead; tell whether there is one for the command."""
        if self._taking.locked():
            async with self._taking:
                pass
        ahead = self._ahead
        return ahead is not None and not (ahead.is_reserved and row.kind != "cancel")

    def use_ahead(self, row: CommandRow) -> bool:
        """Use the turn that was taken ahead; False where there is none, or it is too old."""
        ahead = self._ahead
        if ahead is None or (ahead.is_reserved and row.kind != "cancel"):
            return False
        self._ahead = None
        return self._clock.monotonic_s() - ahead.taken_s <= _AHEAD_S_MAX

    async def turn(self, row: CommandRow) -> bool:
        """Wait for the command's turn; False where the worker stops first.

        A command that expires meanwhile has its turn at once: it will not be sent.

        Raises:
            StreamError: the budgets' Redis is away.
        """
        if await self.is_ahead(row) and self.use_ahead(row):
            return not self._stopping.is_set()
        while not self._stopping.is_set():
            granted = await self._take(reserve=row.kind == "cancel")
            if isinstance(granted, Granted):
                return True
            if is_expired(row.valid_until_us, self._clock.now_ns() // 1000):
                return True
            await pause(self._stopping, min(granted.seconds, _WAIT_S_MAX))
        return False

    async def _take(self, *, reserve: bool) -> Granted | WaitUntil:
        """Ask the budgets, by the broker's clock where it is known."""
        server_s = self._server_s()
        is_slow = not reserve and self._clock.monotonic_s() < self._slow_until_s
        granted = await self._limiter.take(
            self._account, ORDER_REQUESTS, 2 if is_slow else 1, reserve=reserve, server_s=server_s
        )
        if isinstance(granted, Granted) and self._budgets is not None:
            self._budgets.note(granted.left, reserve=reserve, at_s=self._now_s())
        return granted

    def _server_s(self) -> float | None:
        return self._skew.server_s() if self._skew is not None else None

    def _now_s(self) -> float:
        return self._server_s() or self._clock.now_ns() / 1e9

    def _used_ratio(self, name: str) -> float:
        return self._budgets.used_ratio(name, self._now_s()) if self._budgets is not None else 0.0

    async def hold(self, seconds: float) -> None:
        """Send nothing for the account for a while, then more slowly: its answer to a 429.

        Raises:
            StreamError: the budgets' Redis is away.
        """
        self._slow_until_s = self._clock.monotonic_s() + seconds + SLOW_S
        await self._limiter.pause(self._account, ORDER_REQUESTS, seconds)
