"""What is thrown away, and what is counted of what was given up, now and then."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from executor.desk import Desk
from executor.metrics import DEAD_AGE, DEAD_LETTERS, PRUNED, SWITCHES
from executor.settings import BehaviourSettings
from shared.store.trading import Scope, TradingState, TradingSwitch
from shared.streams.hygiene import Depth

#: Events looked at in one statement.
EVENTS_MAX: Final = 1_000
#: How often is looked for what has become old.
PRUNE_S: Final = 3_600.0
_DAY_US: Final = 86_400_000_000
_CLOSED: Final[tuple[TradingState, ...]] = ("REDUCING", "HALTED")

Count = Callable[[], Awaitable[Depth]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is looked at for the metrics: dead letters by stream, switches, the Redis of orders."""

    dead: dict[str, Count]
    switches: Callable[[], Awaitable[Sequence[TradingSwitch]]]
    server: Callable[[], Awaitable[None]]


class Housekeeping:
    """Prunes the outbox; shows what waits for a person, and for how long."""

    def __init__(self, *, desk: Desk, behaviour: BehaviourSettings, seen: Seen) -> None:
        self._desk = desk
        self._kept_us = behaviour.events_kept_days * _DAY_US
        self._seen = seen
        self._next_prune_s = 0.0
        self._through = 0

    async def step(self) -> None:
        """Count dead letters, closed switches and the day, ask after Redis; once an hour prune.

        Raises:
            StreamError: Redis is away.
            StoreError: PostgreSQL is away.
        """
        now_us = self._desk.clock.now_ns() // 1000
        for name, count in self._seen.dead.items():
            depth = await count()
            DEAD_LETTERS.labels(stream=name).set(depth.entries)
            age_s = max(0.0, now_us / 1e6 - depth.oldest_ms / 1e3) if depth.entries else 0.0
            DEAD_AGE.labels(stream=name).set(age_s)
        await self._seen.server()
        self._show(await self._seen.switches())
        # A day that began is counted although nobody sends: what yesterday spent is no alarm.
        await self._desk.knowledge.count_day(now_us)
        if self._desk.clock.monotonic_s() >= self._next_prune_s:
            await self.prune(now_us)
            self._next_prune_s = self._desk.clock.monotonic_s() + PRUNE_S

    def _show(self, switches: Sequence[TradingSwitch]) -> None:
        account = self._desk.account
        ours = [each for each in switches if each.scope != "account" or each.subject == account]
        found = Counter((each.scope, each.state) for each in ours)
        for scope in get_args(Scope):
            for state in _CLOSED:
                SWITCHES.labels(scope, state).set(found[scope, state])

    async def prune(self, now_us: int) -> None:
        """Delete events older than is kept, in pieces.

        Raises:
            StoreError: PostgreSQL is away; the rest is deleted next time.
        """
        while not self._desk.stopping.is_set():
            pruned = await self._desk.journal.prune_events(
                before_us=now_us - self._kept_us,
                after_sequence=self._through,
                count_max=EVENTS_MAX,
            )
            if pruned is None:
                return
            PRUNED.inc(pruned.deleted)
            self._through = pruned.through
            await asyncio.sleep(0)
