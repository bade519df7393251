"""Faust looked after: its monitor shown, lag told, and an end put to it where it only seems alive.

Known of Faust: agents that die in silence, consumers that fetch for ever and hand nothing on,
offsets committed ahead of the work. Each of these ends the worker; whoever runs it starts another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import faust
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from enrich import metrics
from enrich.scaleout.hosting import committed_of, take_back
from enrich.scaleout.partition import Held
from shared.clock import Clock
from shared.errors import PipelineError
from shared.wire.topics import RAW_TICKS

#: Longest wait for Kafka to say where partitions end.
ENDS_TIMEOUT_S = 5.0
_OF_PARTITIONS: Final = (
    metrics.KAFKA_LAG_SECONDS,
    metrics.KAFKA_LAG_MESSAGES,
    metrics.KAFKA_UNCOMMITTED,
)


class FaustFailed(PipelineError):
    """Faust does not do what it says; the message says what was seen."""


class Watch:
    """Looks at one app; every look raises or is over in some seconds."""

    def __init__(
        self, app: faust.App, held: Mapping[int, Held], stall_after_s: float, clock: Clock
    ) -> None:
        self._app = app
        self._held = held
        self._stall_after_s = stall_after_s
        self._clock = clock
        self._moved_s = clock.monotonic_s()
        self._seen: dict[int, int] = {}

    @property
    def partitions(self) -> set[int]:
        """Return the partitions assigned to us."""
        try:
            assignment = self._app.consumer.assignment()
        except ConsumerNotStarted:
            return set()
        return {place.partition for place in assignment if place.topic == RAW_TICKS.prefix}

    @property
    def assigned(self) -> bool:
        """Say whether the group has told us what is ours, be it nothing."""
        return self._app.consumer_generation_id > 0 and not self._app.rebalancing

    async def look(self) -> None:
        """Look once.

        Raises:
            FaustFailed: it will not go on by itself.
        """
        self._check_alive()
        await self._check_commits()
        self._show_monitor()
        ends = await self._ends()
        metrics.SHARDS_HELD.set(len(self.partitions))
        if ends is not None:
            self._check_progress(ends)

    def _check_alive(self) -> None:
        app = self._app
        if app.crashed:
            raise FaustFailed(f"the app crashed: {app.crash_reason!r}") from app.crash_reason
        for name, agent in app.agents.items():
            actors = list(agent._actors)  # noqa: SLF001  # nothing public tells of them
            if not actors and self.assigned:
                raise FaustFailed(f"agent {name} has no actor any more")
            for actor in actors:
                task = actor.actor_task
                if task is not None and task.done():
                    raise FaustFailed(f"agent {name} ended in silence")

    async def _check_commits(self) -> None:
        for partition, held in self._held.items():
            offset = committed_of(self._app, partition)
            if not self._is_current(held):
                continue
            metrics.KAFKA_UNCOMMITTED.labels(partition).set(held.ledger.delivered - offset)
            if offset > held.ledger.delivered:
                delivered = held.ledger.delivered
                # Whoever comes next would begin behind messages that nobody has worked on.
                taken_back = await take_back(self._app, partition, delivered)
                raise FaustFailed(
                    f"partition {partition}: committed {offset}, delivered {delivered};"
                    f" {'taken back' if taken_back else 'not ours to take back'}"
                )

    def _check_progress(self, ends: Mapping[int, int]) -> None:
        now_s, now_ms = self._clock.monotonic_s(), self._clock.now_ns() // 1_000_000
        waiting = False
        for partition, end in ends.items():
            held = self._held.get(partition)
            at = held.ledger.delivered if held is not None and self._is_current(held) else None
            if at != self._seen.get(partition, -1):
                self._moved_s = now_s
            self._seen[partition] = -1 if at is None else at
            behind = 0 if at is None else max(0, end - at)
            waiting = waiting or behind > 0
            newest_ms = held.newest_ms if held is not None and held.newest_ms else now_ms
            lag_s = max(0.0, (now_ms - newest_ms) / 1e3) if behind else 0.0
            metrics.KAFKA_LAG_MESSAGES.labels(partition).set(behind)
            metrics.KAFKA_LAG_SECONDS.labels(partition).set(lag_s)
        self._forget_all_but(ends)
        if not waiting:
            # A batch sets it as it begins; after the last one nothing else would.
            metrics.LAG_SECONDS.set(0.0)
        if not waiting or self._app.rebalancing:
            self._moved_s = now_s
        if now_s - self._moved_s > self._stall_after_s:
            raise FaustFailed(f"nothing was delivered for {now_s - self._moved_s:.0f} s")

    def _forget_all_but(self, ours: Collection[int]) -> None:
        """Show nothing of partitions that went elsewhere: whoever has them tells how they are."""
        for partition in [each for each in self._seen if each not in ours]:
            del self._seen[partition]
            for metric in _OF_PARTITIONS:
                metric.remove(partition)

    def _is_current(self, held: Held) -> bool:
        return held.generation == self._app.consumer_generation_id

    async def _ends(self) -> dict[int, int] | None:
        """Return where the partitions end; None while Kafka does not say, which is no stand-still.

        The question goes through the consumer's own thread: a dead thread answers nothing, and
        its death crashes the app, which `_check_alive` sees.
        """
        places = [TP(RAW_TICKS.prefix, partition) for partition in sorted(self.partitions)]
        if not places:
            return {}
        try:
            async with asyncio.timeout(ENDS_TIMEOUT_S):
                found = await self._app.consumer.highwaters(*places)
        except (TimeoutError, OSError, RuntimeError, ConsumerNotStarted):
            # The vendor's errors are RuntimeErrors: there is no answer.
            self._moved_s = self._clock.monotonic_s()
            return None
        return {place.partition: int(end or 0) for place, end in found.items()}

    def _show_monitor(self) -> None:
        seen = self._app.monitor
        metrics.KAFKA_MESSAGES.set(seen.messages_received_total)
        metrics.KAFKA_EVENTS.set(seen.events_total)
        metrics.KAFKA_ACTIVE.set(seen.messages_active)
        metrics.KAFKA_REBALANCES.set(self._app.rebalancing_count)
        metrics.KAFKA_REBALANCE_SECONDS.set(seen.rebalance_end_avg)
        metrics.KAFKA_BUFFER_FULL.set(sum(seen.topic_buffer_full.values()))
        if seen.commit_latency:
            metrics.KAFKA_COMMIT_SECONDS.set(seen.commit_latency[-1])
