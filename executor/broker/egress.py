"""Whether orders leave from an address that is registered with the broker.

Since 2026-04-01 order requests from any other are refused. Source: kite.trade/forum/15912 (read
2026-11). A refusal that says so holds entries back; so does a check that finds another address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from executor.broker.broker import Outcome, Refused
from executor.gate import Bar, Gate
from shared.clock import Clock
from shared.errors import KiteUnavailable
from shared.runtime.logs import get_log
from shared.runtime.supervise import pause

BLOCKED: Final = "EGRESS_BLOCKED"
_REFUSAL: Final = "broker_egress_blocked"
#: Longest wait between two looks at the time.
_STEP_S: Final = 1.0

log = get_log()


class Egress:
    """Keeps the bar of one account; without a check a refusal is forgotten after a while."""

    def __init__(
        self,
        *,
        gate: Gate,
        clock: Clock,
        ask: Callable[[], Awaitable[str]] | None,
        registered: Sequence[str],
        every_s: float,
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._ask = ask
        self._registered = registered
        self._every_s = every_s
        self._due_s = clock.monotonic_s() if ask is not None else float("inf")

    def note(self, outcome: Outcome) -> None:
        """Take the outcome of an order request."""
        if isinstance(outcome, Refused) and outcome.code == _REFUSAL:
            self._close(outcome.message)
            self._due_s = self._clock.monotonic_s() + self._every_s

    async def run(self, stopping: asyncio.Event) -> None:
        """Check every so often, or let the broker be asked again, until `stopping`."""
        while not stopping.is_set():
            if self._clock.monotonic_s() >= self._due_s:
                await self.check()
            await pause(stopping, min(_STEP_S, self._every_s))

    async def check(self) -> None:
        """Compare our public address with the registered ones; open or close the bar."""
        now_s = self._clock.monotonic_s()
        if self._ask is None:
            # Nobody can say: the next order asks the broker itself, who refuses it at worst.
            self._due_s = float("inf")
            self._gate.open(Bar.EGRESS)
            return
        self._due_s = now_s + self._every_s
        try:
            address = await self._ask()
        except KiteUnavailable as error:
            log.warning("egress.not_checked", error=str(error))
            return
        if address in self._registered:
            self._gate.open(Bar.EGRESS)
        else:
            self._close(f"our address {address} is not one of {', '.join(self._registered)}")

    def _close(self, why: str) -> None:
        if self._gate.close(Bar.EGRESS, f"{BLOCKED}: {why}"):
            log.error("egress.blocked", reason=why)
