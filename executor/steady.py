"""A loop that outlives the failures of what it depends on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from executor.gate import Bar, Gate
from executor.metrics import FAILURES
from shared.errors import KiteError, StoreError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import Log
from shared.runtime.supervise import pause

Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How the executor's loops meet a store, a stream or a broker that is away."""

    gate: Gate
    policy: RetryPolicy
    random: Random
    log: Log

    async def repeat(
        self, step: Step, *, name: str, stopping: asyncio.Event, opens: Bar | None = None
    ) -> None:
        """Run `step` again and again until `stopping`; wait a little longer after each failure.

        Each success proves that what `opens` names is there again.
        """
        attempt = 0
        while not stopping.is_set():
            if await self.tried(step, name=name):
                attempt = 0
                if opens is not None:
                    self.gate.open(opens)
                continue
            attempt += 1
            await pause(stopping, self.policy.delay_s(attempt, self.random.random()))

    async def until_done(self, step: Step, *, name: str, stopping: asyncio.Event) -> bool:
        """Run `step` until it succeeds once; False where `stopping` came first."""
        attempt = 0
        while not stopping.is_set():
            if await self.tried(step, name=name):
                return True
            attempt += 1
            await pause(stopping, self.policy.delay_s(attempt, self.random.random()))
        return False

    async def tried(self, step: Step, *, name: str) -> bool:
        """Run `step`; on a failure that passes by itself close its bar and return False."""
        try:
            await step()
        except StoreError as error:
            self._note(Bar.STORE, name, error)
        except StreamError as error:
            self._note(Bar.STREAMS, name, error)
        except KiteError as error:
            # The book could not be read; whether commands may go is another's to say.
            FAILURES.labels(of="broker").inc()
            self.log.warning("executor.broker_failed", task=name, error=str(error))
        else:
            return True
        return False

    def _note(self, bar: Bar, name: str, error: Exception) -> None:
        FAILURES.labels(of=bar.value).inc()
        if self.gate.close(bar, str(error)):
            self.log.warning(
                "executor.dependency_failed", of=bar.value, task=name, error=str(error)
            )
