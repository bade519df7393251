"""What was taken in, written to the streams: raw ticks, gaps, order updates."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from ingest import metrics
from ingest.intake import Intake, Load
from shared.clock import Clock
from shared.errors import StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.throttle import Throttle
from shared.streams.writer import APPENDS_MAX, Append, StreamWriter
from shared.wire import codec
from shared.wire.control import Gap
from shared.wire.orders import BrokerUpdate
from shared.wire.topics import GAPS, RAW_TICKS, UPDATES

RETRY = RetryPolicy(base_s=0.02, factor=2.0, ceiling_s=0.5)
#: Gaps and order updates that may wait for Redis; beyond it the oldest is lost, counted.
MESSAGES_MAX = 10_000

log = get_log()


class TickOutlet:
    """Writes what the intake holds, as fast as Redis takes it; frames join while a write is out."""

    def __init__(self, writer: StreamWriter, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._wake = asyncio.Event()
        self._troubles = Throttle(1.0, clock=clock)
        self.intake: Intake | None = None

    def wake(self) -> None:
        """Say that there is something to write, or that it is time to stop."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Write until `stopping` is set, with a `wake` after it, and nothing waits any more."""
        while not (stopping.is_set() and not self._waiting()):
            if not self._waiting():
                await self._wake.wait()
            self._wake.clear()
            if self.intake is not None and (loads := self.intake.take()):
                await self._write(self.intake, loads, stopping)

    async def flush(self) -> None:
        """Wait until nothing waits, before the intake is exchanged."""
        while self._waiting():
            self.wake()
            await asyncio.sleep(RETRY.base_s)

    def _waiting(self) -> bool:
        return self.intake is not None and self.intake.waiting

    async def _write(self, intake: Intake, loads: list[Load], stopping: asyncio.Event) -> None:
        appends = [
            Append(RAW_TICKS, entry.shard, {b"h": entry.header, b"s": entry.segments})
            for entry in intake.entries(loads)
        ]
        started_s = self._clock.monotonic_s()
        if await _persist(self._writer, appends, stopping, self._troubles):
            metrics.ENTRIES.inc(len(appends))
        else:
            lost = sum(int(load.sinks.packets.sum()) for load in loads)
            metrics.LEFT_OUT.labels("stopping").inc(lost)
        metrics.WRITE_SECONDS.observe(self._clock.monotonic_s() - started_s)
        intake.give_back(loads)
        metrics.WAITING_BYTES.set(intake.waiting_bytes)


class MessageOutlet:
    """Writes to one Redis the few messages that are never conflated, in the order they came."""

    def __init__(self, writer: StreamWriter, clock: Clock) -> None:
        self._writer = writer
        self._waiting: deque[Append] = deque()
        self._wake = asyncio.Event()
        self._troubles = Throttle(1.0, clock=clock)

    def gap(self, gap: Gap) -> None:
        """Tell a loss of coverage."""
        self._put(Append(GAPS, "", codec.encode(gap)))

    def update(self, account: str, row: bytes, received_at_ns: int) -> None:
        """Hand on what the broker says of an order; `row` is Kite's JSON."""
        update = BrokerUpdate(
            source="socket", received_at_us=received_at_ns // 1000, row=msgspec.Raw(row)
        )
        self._put(Append(UPDATES, account, codec.encode(update)))

    def wake(self) -> None:
        """Say that it is time to stop."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Write until `stopping` is set, with a `wake` after it, and nothing waits any more."""
        while not (stopping.is_set() and not self._waiting):
            if not self._waiting:
                await self._wake.wait()
            self._wake.clear()
            count = min(len(self._waiting), APPENDS_MAX)
            batch = [self._waiting.popleft() for _ in range(count)]
            if not await _persist(self._writer, batch, stopping, self._troubles):
                metrics.LEFT_OUT.labels("stopping").inc(len(batch))
                return

    def _put(self, append: Append) -> None:
        if len(self._waiting) >= MESSAGES_MAX:
            self._waiting.popleft()
            metrics.LEFT_OUT.labels("message_overflow").inc()
        self._waiting.append(append)
        self._wake.set()


async def _persist(
    writer: StreamWriter, appends: list[Append], stopping: asyncio.Event, troubles: Throttle
) -> bool:
    """Write until it worked; return False if it does not while stopping.

    An entry may then be there twice: ticks and updates are harmless twice, a hole is not.
    """
    attempt = 0
    while True:
        try:
            for start in range(0, len(appends), APPENDS_MAX):
                await writer.append(appends[start : start + APPENDS_MAX])
        except StreamError as error:
            attempt += 1
            if (suppressed := troubles.admit()) is not None:
                log.warning("stream.away", reason=str(error), suppressed=suppressed)
            if stopping.is_set():
                return False
            await asyncio.sleep(RETRY.delay_s(attempt, 0.5))
        else:
            return True
