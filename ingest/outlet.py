"""What was taken in, written to the streams: raw ticks, gaps, order updates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from ingest import metrics
from ingest.intake import Intake, Load
from shared.clock import Clock
from shared.errors import StreamError
from shared.kite.codec.overflow import Losses
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.throttle import Throttle
from shared.streams.writer import APPENDS_MAX, Append, Writer
from shared.wire import codec
from shared.wire.control import Control, Gap, GapCause
from shared.wire.orders import BrokerUpdate
from shared.wire.topics import CONTROL, GAPS, RAW_TICKS, UPDATES

RETRY = RetryPolicy(base_s=0.02, factor=2.0, ceiling_s=0.5)
#: Gaps and order updates that may wait for Redis; beyond it the oldest is lost, counted.
MESSAGES_MAX = 10_000
#: Kite sends an order update once, to the sockets that are open then.
DEAD_SOCKET: frozenset[GapCause] = frozenset({"disconnected", "silent", "token_expired"})

log = get_log()


class TickOutlet:
    """Writes what the intake holds; frames join while a write is out or was a moment ago.

    After a pause a frame goes at once. Under a steady flow writes begin `gap_s` apart: a write
    costs the same for one frame as for twenty.
    """

    def __init__(self, writer: Writer, clock: Clock, *, gap_s: float = 0.0) -> None:
        self._writer = writer
        self._clock = clock
        self._wake = asyncio.Event()
        #: Say that there is something to write, or that it is time to stop.
        self.wake = self._wake.set
        self._trouble = Trouble(clock)
        self._intakes: deque[Intake] = deque()
        self._writing_bytes = 0
        self._gap_s = gap_s
        self._next_write_s = 0.0
        self._tell_losses: Callable[[Losses], None] = _nobody_told
        #: What takes the frames now.
        self.intake: Intake | None = None

    @property
    def trouble(self) -> str:
        """Return why nothing can be written now, "" if it can."""
        return self._trouble.reason

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes that are not written yet, those being written among them."""
        return self._writing_bytes + sum(intake.waiting_bytes for intake in self._intakes)

    def on_losses(self, tell: Callable[[Losses], None]) -> None:
        """Hand to `tell` what gave way to newer packets, whenever there is room again."""
        self._tell_losses = tell

    def give_up(self) -> list[Losses]:
        """Return what gave way until now, though there may be no room yet."""
        found = (intake.give_up() for intake in self._intakes)
        return [losses for losses in found if losses]

    def exchange(self, intake: Intake) -> None:
        """Take frames into another intake from now on; what waits in those before goes first."""
        self._intakes.append(intake)
        self.intake = intake

    async def run(self, closed: asyncio.Event) -> None:
        """Write until `closed` is set, with a `wake` after it, and nothing waits any more."""
        while not (closed.is_set() and not self._waiting()):
            if not self._waiting():
                await self._wake.wait()
            self._wake.clear()
            if (early_s := self._next_write_s - self._clock.monotonic_s()) > 0.0:
                await asyncio.sleep(early_s)
            while len(self._intakes) > 1 and not self._intakes[0].waiting:
                self._intakes.popleft()
            if self._intakes and (loads := self._intakes[0].take()):
                await self._write(self._intakes[0], loads, closed)

    def _waiting(self) -> bool:
        return any(intake.waiting for intake in self._intakes)

    async def _write(self, intake: Intake, loads: list[Load], closed: asyncio.Event) -> None:
        entries = list(intake.entries(loads))
        self._writing_bytes = sum([len(entry.segments) for entry in entries])
        appends = [
            Append(RAW_TICKS, entry.shard, {b"h": entry.header, b"s": entry.segments})
            for entry in entries
        ]
        started_s = self._clock.monotonic_s()
        self._next_write_s = started_s + self._gap_s
        if await _persist(self._writer, appends, closed, self._trouble):
            metrics.ENTRIES.inc(len(appends))
        else:
            lost = sum(entry.packets for entry in entries)
            metrics.LEFT_OUT.labels("stopping").inc(lost)
            log.error("ticks.lost", packets=lost, reason=self.trouble)
        metrics.WRITE_SECONDS.observe(self._clock.monotonic_s() - started_s)
        self._writing_bytes = 0
        intake.give_back(loads)
        if losses := intake.take_losses():
            self._tell_losses(losses)


def _nobody_told(losses: Losses) -> None:
    """Do nothing: nobody asked for `losses` yet."""


class MessageOutlet:
    """Writes to one Redis the few messages that are never conflated, in the order they came."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._waiting: deque[Append] = deque()
        self._wake = asyncio.Event()
        self._trouble = Trouble(clock)

    @property
    def trouble(self) -> str:
        """Return why nothing can be written now, "" if it can."""
        return self._trouble.reason

    def gap(self, gap: Gap) -> None:
        """Tell a loss of coverage; with a socket its order updates were lost as well."""
        self._put(Append(GAPS, "", codec.encode(gap)))
        if gap.cause in DEAD_SOCKET:
            missed = Control(
                kind="order_updates_missed", subject=gap.account, by="ingest", at_us=gap.to_us
            )
            self._put(Append(CONTROL, "", codec.encode(missed)))

    def update(self, account: str, row: bytes, received_at_ns: int) -> None:
        """Hand on what the broker says of an order; `row` is Kite's JSON."""
        update = BrokerUpdate(
            source="socket", received_at_us=received_at_ns // 1000, row=msgspec.Raw(row)
        )
        self._put(Append(UPDATES, account, codec.encode(update)))

    def wake(self) -> None:
        """Say that it is time to stop."""
        self._wake.set()

    async def run(self, closed: asyncio.Event) -> None:
        """Write until `closed` is set, with a `wake` after it, and nothing waits any more."""
        while not (closed.is_set() and not self._waiting):
            if not self._waiting:
                await self._wake.wait()
            self._wake.clear()
            count = min(len(self._waiting), APPENDS_MAX)
            batch = [self._waiting.popleft() for _ in range(count)]
            if not await _persist(self._writer, batch, closed, self._trouble):
                lost = len(batch) + len(self._waiting)
                metrics.MESSAGES_LOST.labels("stopping").inc(lost)
                log.error("messages.lost", messages=lost, reason=self.trouble)
                return

    def _put(self, append: Append) -> None:
        if len(self._waiting) >= MESSAGES_MAX:
            self._waiting.popleft()
            metrics.MESSAGES_LOST.labels("overflow").inc()
        self._waiting.append(append)
        self._wake.set()


class Trouble:
    """Why the log takes nothing now; logged once a second."""

    def __init__(self, clock: Clock) -> None:
        self.reason = ""
        self._throttle = Throttle(1.0, clock=clock)

    def note(self, reason: str) -> None:
        """Remember it."""
        self.reason = reason
        if (suppressed := self._throttle.admit()) is not None:
            log.warning("stream.away", reason=reason, suppressed=suppressed)


async def _persist(
    writer: Writer, appends: list[Append], closed: asyncio.Event, trouble: Trouble
) -> bool:
    """Write until it worked; return False if it does not once `closed`.

    An entry may then be there twice: ticks and updates are harmless twice, a hole is not.
    """
    attempt = 0
    while True:
        try:
            for start in range(0, len(appends), APPENDS_MAX):
                await writer.append(appends[start : start + APPENDS_MAX])
        except StreamError as error:
            attempt += 1
            trouble.note(str(error))
            if closed.is_set():
                return False
            await asyncio.sleep(RETRY.delay_s(attempt, 0.5))
        else:
            trouble.reason = ""
            return True
