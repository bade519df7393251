"""One socket kept open: connected, subscribed, watched, opened again; every loss told as a gap."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ingest import metrics
from ingest.plan import change
from shared.clock import Clock
from shared.errors import KiteError, KiteSessionExpired, KiteThrottled
from shared.kite.connection import KiteSocket
from shared.kite.ended import Closed, Ended, Lost, Silent
from shared.kite.settings import KiteSettings
from shared.kite.socket import SocketAccess, open_socket
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.supervise import pause
from shared.wire.control import Gap, GapCause
from shared.wire.ticks import Mode

RETRY = RetryPolicy(base_s=0.5, factor=2.0, ceiling_s=30.0)
#: A dead token stays dead until somebody logs in: asking more often only looks like an attack.
TOKEN_DEAD_PAUSE_S = 60.0
WATCH_EVERY_S = 0.5
#: Kite sends a heartbeat every second or two; this much silence is not quiet but dead.
FRAME_SILENCE_S_MAX = 5.0

log = get_log()


class Intake(Protocol):
    """Where one socket's messages go."""

    def frame(self, socket: int, frame: bytes, received_at_ns: int) -> None:
        """Take one binary frame, heartbeats included."""
        ...

    def text(self, socket: int, text: bytes, received_at_ns: int) -> None:
        """Take one text frame."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every keeper of an account shares."""

    settings: KiteSettings
    access: SocketAccess
    intake: Intake
    clock: Clock
    random: random.Random
    tell_gap: Callable[[Gap], None]
    account: str
    mode: Mode


class Keeper:
    """The life of one socket of an account."""

    def __init__(self, index: int, tools: Tools) -> None:
        self.index = index
        self.state = "connecting"
        self._tools = tools
        self._wanted: frozenset[int] = frozenset()
        self._held: frozenset[int] = frozenset()
        self._changed = asyncio.Event()
        self._lost_since_ns = 0
        self._last_frame_ns = 0
        self._cause: GapCause = "disconnected"
        # Connections in a row that broke before a single frame came.
        self._failures = 0

    @property
    def held(self) -> frozenset[int]:
        """Return the tokens this socket is subscribed to, or will be once it is open again."""
        return self._wanted

    def want(self, tokens: frozenset[int]) -> None:
        """Hold exactly these from now on; what is held already is not disturbed."""
        if tokens != self._wanted:
            self._wanted = tokens
            self._changed.set()

    def on_frame(self, frame: bytes, received_at_ns: int) -> None:
        """Pass a frame on; the first one after a loss ends the gap."""
        self._last_frame_ns = received_at_ns
        self._failures = 0
        self._tools.intake.frame(self.index, frame, received_at_ns)

    def on_text(self, text: bytes, received_at_ns: int) -> None:
        """Pass a text on."""
        self._tools.intake.text(self.index, text, received_at_ns)

    async def keep(self, stopping: asyncio.Event) -> None:
        """Hold the socket open until `stopping`."""
        while not stopping.is_set():
            try:
                await self._connection(stopping)
            except KiteSessionExpired as error:
                self._trouble("token_dead", str(error), "token_expired")
                await pause(stopping, TOKEN_DEAD_PAUSE_S)
            except KiteThrottled as error:
                self._trouble("throttled", str(error), "disconnected")
                await pause(stopping, error.retry_after_s)
            except KiteError as error:
                self._trouble("unreachable", str(error), "disconnected")
                self._failures += 1
                await pause(stopping, RETRY.delay_s(self._failures, self._tools.random.random()))

    async def _connection(self, stopping: asyncio.Event) -> None:
        tools = self._tools
        async with open_socket(tools.settings, tools.access, self, tools.clock) as socket:
            self._opened(socket)
            try:
                ended = await self._watch(socket, stopping)
            finally:
                self._held = frozenset()
                metrics.CONNECTED.labels(str(self.index)).set(0)
        if not stopping.is_set():
            self._ended(ended)
            # A clean close of a connection that worked is a restart over there: back at once.
            if not isinstance(ended, Closed) or self._failures:
                delay_s = RETRY.delay_s(max(1, self._failures), tools.random.random())
                await pause(stopping, delay_s)

    def _opened(self, socket: KiteSocket) -> None:
        self.state = "connected"
        self._failures += 1  # until the first frame, a heartbeat at least, says otherwise
        metrics.CONNECTED.labels(str(self.index)).set(1)
        self._subscribe(socket)
        log.info("socket.connected", socket=self.index, instruments=len(self._wanted))
        if self._lost_since_ns:
            self._tell(self._lost_since_ns, self._tools.clock.now_ns(), self._wanted)
            self._lost_since_ns = 0

    def _subscribe(self, socket: KiteSocket) -> None:
        """Bring what is held to what is wanted, incrementally."""
        self._changed.clear()
        needed = change(self._wanted, self._held)
        if needed.subscribe:
            socket.subscribe(needed.subscribe)
            socket.set_mode(self._tools.mode, needed.subscribe)
        if needed.unsubscribe:
            socket.unsubscribe(needed.unsubscribe)
        self._held = self._wanted

    async def _watch(self, socket: KiteSocket, stopping: asyncio.Event) -> Ended:
        """Return why the connection is over; frames must keep coming, heartbeats at least."""
        while not socket.ended.done() and not stopping.is_set():
            if self._changed.is_set():
                self._subscribe(socket)
            await asyncio.wait({socket.ended}, timeout=WATCH_EVERY_S)
            age_s = self._tools.clock.monotonic_s() - socket.last_frame_s
            metrics.FRAME_AGE_SECONDS.labels(str(self.index)).set(age_s)
            if age_s > FRAME_SILENCE_S_MAX:
                return Silent(age_s)
        return socket.ended.result() if socket.ended.done() else Closed(1000, ours=True)

    def _ended(self, ended: Ended) -> None:
        cause: GapCause = "silent" if isinstance(ended, Silent) else "disconnected"
        said = {Closed: "closed", Lost: "lost", Silent: "silent"}[type(ended)]
        metrics.RECONNECTS.labels(said).inc()
        self._trouble(said, str(ended), cause)

    def _trouble(self, state: str, reason: str, cause: GapCause) -> None:
        self.state = state
        self._cause = cause
        if not self._lost_since_ns:
            self._lost_since_ns = self._last_frame_ns or self._tools.clock.now_ns()
        log.warning("socket.down", socket=self.index, state=state, reason=reason)

    def _tell(self, from_ns: int, to_ns: int, tokens: frozenset[int]) -> None:
        metrics.GAPS.labels(self._cause).inc()
        gap = Gap(
            from_us=from_ns // 1000,
            to_us=to_ns // 1000,
            account=self._tools.account,
            socket=self.index,
            instrument_tokens=sorted(tokens),
            cause=self._cause,
        )
        self._tools.tell_gap(gap)
