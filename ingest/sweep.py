"""The last state of what ticked into a gap, read by REST and written as repair."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ingest import metrics
from ingest.lookout import Lookout
from ingest.registry import Market
from ingest.repair import Repairs, Targets
from shared.clock import Clock
from shared.errors import KiteError, KiteThrottled, StreamError
from shared.kite.codec.watch import PriceWatch
from shared.kite.limits import QUOTE, QUOTE_NAMES_MAX
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.supervise import pause
from shared.streams.limiter import RateLimiter, WaitUntil, Window
from shared.streams.writer import Writer
from shared.wire.control import Gap

LOOK_EVERY_S: Final = 0.25
#: What trades often has repaired itself by then: Kite sends a snapshot upon subscription.
SETTLE_S: Final = 1.5
#: Calls in a row that may fail before what is left is given up: the market has moved on.
FAILURES_MAX: Final = 10
RETRY: Final = RetryPolicy(base_s=1.0, factor=2.0, ceiling_s=30.0)
#: The budget of quotes is one of the key's, so every process of the account draws on it.
QUOTE_WINDOWS: Final = {QUOTE.name: (Window("second", QUOTE.per_s, QUOTE.requests),)}
#: Whose budget it is where ingest holds several accounts, any of which may ask.
ANY_ACCOUNT: Final = "ingest"

log = get_log()


class Quotes(Protocol):
    """Where quotes come from."""

    async def quote(self, names: Sequence[str]) -> dict[str, Any]:
        """Return full quotes by name; names without data are absent."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a sweeper works with."""

    kite: Quotes
    limiter: RateLimiter
    writer: Writer
    lookout: Lookout
    clock: Clock
    tell_gap: Callable[[Gap], None]
    #: The instruments as they were published last, None before.
    market: Callable[[], Market | None]


class Sweeper:
    """Waits for gaps to end; asks for whoever has not ticked since, a call a second."""

    def __init__(self, account: str, means: Means, *, settle_s: float = SETTLE_S) -> None:
        self._account = account
        self._means = means
        self._settle_s = settle_s
        self._repairs = Repairs(account, means.clock.now_ns() // 1_000_000_000)
        self._targets: Targets | None = None
        self._pending: set[int] = set()
        self._due_s = 0.0
        self._failures = 0

    @property
    def pending(self) -> int:
        """Return how many instruments are still to be asked for."""
        return len(self._pending)

    def gap(self, gap: Gap) -> None:
        """Tell a gap that has ended; sweep behind it."""
        self._means.tell_gap(gap)
        targets = self._look_up()
        if targets is None or gap.packets_dropped:
            return
        self._settle()
        self._pending.update(targets.known(gap.instrument_tokens))
        self._means.lookout.awaited = PriceWatch(self._pending) if self._pending else None
        self._due_s = self._means.clock.monotonic_s() + self._settle_s

    async def run(self, stopping: asyncio.Event) -> None:
        """Sweep behind gaps until `stopping`."""
        while not await pause(stopping, LOOK_EVERY_S):
            if self._pending and self._means.clock.monotonic_s() >= self._due_s:
                self._due_s = self._means.clock.monotonic_s() + await self.step()

    async def step(self) -> float:
        """Repair as many as one call can; return the seconds to wait before the next."""
        self._settle()
        if not self._pending:
            return 0.0
        try:
            budget = self._account or ANY_ACCOUNT
            granted = await self._means.limiter.take(budget, QUOTE.name)
            if isinstance(granted, WaitUntil):
                return granted.seconds
            await self._repair()
        except KiteThrottled as error:
            return self._failed(error, error.retry_after_s)
        except (KiteError, StreamError) as error:
            return self._failed(error, RETRY.delay_s(self._failures + 1, 0.5))
        self._failures = 0
        if not self._pending:
            self._means.lookout.awaited = None
        return 0.0

    async def _repair(self) -> None:
        """Write what the quotes say of those that have not ticked in the meantime."""
        targets = self._look_up()
        assert targets is not None, "pending comes with targets"
        chosen = targets.known(self._pending)
        self._pending.intersection_update(chosen)
        asked = {targets.name(token): token for token in chosen[:QUOTE_NAMES_MAX]}
        if not asked:
            return
        quoted = await self._means.kite.quote(list(asked))
        self._settle()
        fresh = [
            quoted[name]
            for name, token in asked.items()
            if token in self._pending and name in quoted
        ]
        repair = self._repairs.made(fresh, self._means.clock.now_ns(), targets)
        await self._means.writer.append(repair.appends)
        self._pending.difference_update(asked.values())
        metrics.REPAIRED.inc(repair.packets)
        for reason in repair.refused:
            log.warning("repair.refused", reason=reason)
        log.info("repair.written", instruments=repair.packets, left=len(self._pending))

    def _look_up(self) -> Targets | None:
        market = self._means.market()
        if market is None:
            return None
        if self._targets is None or self._targets.market is not market:
            self._targets = Targets(market)
        return self._targets

    def _settle(self) -> None:
        """Strike off who has ticked by itself: a tick is newer than any quote."""
        awaited = self._means.lookout.awaited
        if awaited is not None:
            self._pending.difference_update(awaited.seen())

    def _failed(self, error: Exception, pause_s: float) -> float:
        self._failures += 1
        log.warning("repair.failed", reason=str(error), left=len(self._pending))
        if self._failures >= FAILURES_MAX:
            metrics.UNREPAIRED.inc(len(self._pending))
            self._pending.clear()
            self._means.lookout.awaited = None
            self._failures = 0
        return pause_s
