"""One socket kept open: connected, subscribed, watched, opened again, every loss told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ingest import metrics
from ingest.coverage import Coverage
from ingest.plan import Tokens, change
from ingest.silence import Lasting
from ingest.stillness import MarketClock, Still
from shared.clock import Clock
from shared.errors import KiteError, KiteSessionExpired, KiteThrottled
from shared.kite.connection import KiteSocket
from shared.kite.ended import Closed, Ended, Lost, Silent
from shared.kite.settings import KiteSettings
from shared.kite.socket import SocketAccess, open_socket
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.wire.control import Gap, GapCause
from shared.wire.ticks import Mode

RETRY = RetryPolicy(base_s=0.5, factor=2.0, ceiling_s=30.0)
#: A frame shorter than its count is Kite's heartbeat.
HEARTBEAT_BYTES_MAX = 1
_STATES: Mapping[type[Ended], str] = {
    Closed: "closed",
    Lost: "lost",
    Silent: "silent",
    Still: "market_silent",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a keeper waits for what, in seconds."""

    watch_every_s: float = 0.5
    #: Kite sends a heartbeat every second or two; this much silence is not quiet but dead.
    silence_s_max: float = 5.0
    #: A dead token stays dead until somebody logs in: asking more often looks like an attack.
    token_dead_pause_s: float = 60.0
    #: A connection that lived this long worked; its clean close is a restart over there.
    steady_after_s: float = 5.0
    retry: RetryPolicy = RETRY


PATIENCE = Patience()

log = get_log()


class Intake(Protocol):
    """Where one socket's messages go."""

    def frame(self, socket: int, frame: bytes, received_at_ns: int) -> bool:
        """Take one binary frame, heartbeats included; return False if it is damaged."""
        ...

    def text(self, socket: int, text: bytes, received_at_ns: int) -> None:
        """Take one text frame."""
        ...


class Owner(Protocol):
    """Whose socket it is; told what becomes of it."""

    def access(self) -> SocketAccess:
        """Return what opens a socket now."""
        ...

    def accepted(self, at_ns: int) -> None:
        """Hear that Kite took the token."""
        ...

    def refused(self) -> None:
        """Hear that Kite did not take the token."""
        ...

    def changed(self) -> None:
        """Hear that the socket is in another state, or subscribed to something else."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every keeper of an account shares; `first` is the number of its first socket."""

    settings: KiteSettings
    owner: Owner
    intake: Intake
    clock: Clock
    random: random.Random
    tell_gap: Callable[[Gap], None]
    account: str
    #: Makes the market's clock of one socket.
    market_clock: Callable[[], MarketClock]
    first: int = 0
    patience: Patience = PATIENCE


class Keeper:
    """The life of one socket of an account."""

    def __init__(self, index: int, tools: Tools) -> None:
        self.index = index
        self.state = "connecting"
        #: Handshakes in a row that were answered with 429.
        self.throttled = 0
        #: Among the sockets of every account.
        self._number = tools.first + index
        self._label = str(self._number)
        self._tools = tools
        self._wanted: Mapping[int, Mode] = {}
        self._held: Mapping[int, Mode] = {}
        self._resting: asyncio.Timeout | None = None
        self._changed = asyncio.Event()
        self._coverage = Coverage(tools.account, index, tools.tell_gap)
        self._take = tools.intake.frame
        self._market_clock = tools.market_clock()
        self._last_frame_ns = 0
        # Attempts in a row that did not become a steady connection.
        self._failures = 0
        self._was_steady = False
        # Counted here, told now and then: a locked counter costs as much as the routing.
        self._frames = metrics.FRAMES.labels(self._label)
        self._frames_untold = 0
        self._ticked_ns = 0
        self._since_ns = tools.clock.now_ns()
        self._is_over = False
        metrics.SILENCE_SECONDS.labels(self._label).set_function(lambda: self._lasting().silent_s)
        metrics.SILENCE_ALLOWED_SECONDS.labels(self._label).set_function(
            lambda: self._lasting().allowed_s
        )

    @property
    def held(self) -> Tokens:
        """Return the tokens this socket is subscribed to, or will be once it is open again."""
        return frozenset(self._wanted)

    @property
    def live(self) -> Tokens:
        """Return the tokens this socket is subscribed to at this moment."""
        return frozenset(self._held)

    def want(self, modes: Mapping[int, Mode]) -> None:
        """Hold exactly these from now on; what is held already is not disturbed."""
        if modes == self._wanted:
            return
        gone = self._wanted.keys() - modes.keys()
        self._wanted = modes
        self._changed.set()
        if gone:
            self._coverage.release(frozenset(gone), self._tools.clock.now_ns())

    def hurry(self) -> None:
        """Try again now instead of after the pause; the token is another one."""
        if self._resting is not None and not self._resting.expired():
            self._resting.reschedule(asyncio.get_running_loop().time())

    def on_frame(self, frame: bytes, received_at_ns: int) -> None:
        """Pass a frame on; the first good one with packets after a loss ends the gap."""
        before_ns, self._last_frame_ns = self._last_frame_ns or received_at_ns, received_at_ns
        ticked = len(frame) > HEARTBEAT_BYTES_MAX
        if not self._take(self._number, frame, received_at_ns):
            self._coverage.lose(before_ns, self.held, "damaged_frame")
        elif ticked and self._coverage.lost:
            self._coverage.regain(received_at_ns)
        if ticked:
            self._frames_untold += 1
            self._ticked_ns = received_at_ns

    def on_text(self, text: bytes, received_at_ns: int) -> None:
        """Pass a text on."""
        self._tools.intake.text(self._number, text, received_at_ns)

    async def keep(self, stopping: asyncio.Event) -> None:
        """Hold the socket open until `stopping`."""
        while not stopping.is_set():
            pause_s = await self._once(stopping)
            if pause_s > 0.0:
                await self._rest(stopping, pause_s)
        self._coverage.regain(self._tools.clock.now_ns())
        self._is_over = True

    def _lasting(self) -> Lasting:
        """Return the silence for a scrape; a socket that was closed for good is not silent."""
        tokens = frozenset() if self._is_over else self.held
        return self._market_clock.lasting(
            tokens, since_ns=self._since_ns, now_ns=self._tools.clock.now_ns()
        )

    async def _rest(self, stopping: asyncio.Event, seconds: float) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds) as self._resting:
                    await stopping.wait()
        finally:
            self._resting = None

    async def _once(self, stopping: asyncio.Event) -> float:
        """Live one connection; return the seconds to wait before the next."""
        patience = self._tools.patience
        try:
            ended = await self._connection(stopping)
        except KiteSessionExpired as error:
            self._tools.owner.refused()
            self._down("token_dead", str(error), "token_expired")
            return patience.token_dead_pause_s
        except KiteThrottled as error:
            self.throttled += 1
            self._down("throttled", str(error), "disconnected")
            return error.retry_after_s
        except KiteError as error:
            self._down("unreachable", str(error), "disconnected")
            return self._next_delay_s()
        if stopping.is_set():
            return 0.0
        cause: GapCause = "silent" if isinstance(ended, Silent) else "disconnected"
        self._down(_STATES[type(ended)], str(ended), cause)
        if isinstance(ended, Closed) and self._was_steady:
            return 0.0
        return self._next_delay_s()

    def _next_delay_s(self) -> float:
        self._failures += 1
        return self._tools.patience.retry.delay_s(self._failures, self._tools.random.random())

    async def _connection(self, stopping: asyncio.Event) -> Ended:
        tools = self._tools
        access = tools.owner.access()
        async with open_socket(tools.settings, access, self, tools.clock) as socket:
            opened_s = tools.clock.monotonic_s()
            self.state, self.throttled = "connected", 0
            tools.owner.accepted(tools.clock.now_ns())
            self._market_clock.opened(tools.clock.now_ns())
            metrics.CONNECTED.labels(self._label).set(1)
            self._subscribe(socket)
            log.info("socket.connected", socket=self.index, instruments=len(self._wanted))
            try:
                return await self._watch(socket, stopping)
            finally:
                lived_s = socket.last_frame_s - opened_s
                self._was_steady = lived_s >= tools.patience.steady_after_s
                if self._was_steady:
                    self._failures = 0
                self._held = {}
                self._tell_frames()
                metrics.CONNECTED.labels(self._label).set(0)

    def _subscribe(self, socket: KiteSocket) -> None:
        """Bring what is held to what is wanted, incrementally."""
        self._changed.clear()
        wanted, held = self._wanted, self._held
        needed = change(frozenset(wanted), frozenset(held))
        if needed.unsubscribe:  # first: a full socket refuses what would be one too many
            socket.unsubscribe(needed.unsubscribe)
        if needed.subscribe:
            socket.subscribe(needed.subscribe)
        for mode, tokens in _modes(wanted, held).items():
            socket.set_mode(mode, tokens)
        self._held = wanted
        self._tools.owner.changed()

    async def _watch(self, socket: KiteSocket, stopping: asyncio.Event) -> Ended:
        """Return why the connection is over; frames must keep coming, heartbeats at least."""
        patience, clock = self._tools.patience, self._tools.clock
        looked_s = clock.monotonic_s()
        while not socket.ended.done() and not stopping.is_set():
            if self._changed.is_set():
                self._subscribe(socket)
            await asyncio.wait({socket.ended}, timeout=patience.watch_every_s)
            now_s = clock.monotonic_s()
            age_s = now_s - socket.last_frame_s
            metrics.FRAME_AGE_SECONDS.labels(self._label).set(age_s)
            # After a stall of our own the frames may still lie in the socket: look once more.
            stalled = now_s - looked_s > 2.0 * patience.watch_every_s
            if age_s > patience.silence_s_max and not stalled:
                socket.drop()
                return Silent(age_s)
            self._tell_frames()
            still = self._market_clock.still(self.live, clock.now_ns())
            if still is not None and not stalled:
                return still
            looked_s = now_s
        return socket.ended.result() if socket.ended.done() else Closed(1000, ours=True)

    def _tell_frames(self) -> None:
        """Tell the market's clock and the metrics of the frames since the last look."""
        if self._frames_untold:
            self._market_clock.ticked(self._ticked_ns)
            self._frames.inc(self._frames_untold)
            self._frames_untold = 0

    def _down(self, state: str, reason: str, cause: GapCause) -> None:
        self.state = state
        metrics.RECONNECTS.labels(state).inc()
        log.warning("socket.down", socket=self.index, state=state, reason=reason)
        # Heartbeats covered nothing where it was ticks that stayed away.
        last_ns = self._ticked_ns if state == _STATES[Still] else self._last_frame_ns
        since_ns = last_ns or self._tools.clock.now_ns()
        self._coverage.lose(since_ns, frozenset(self._wanted), cause)
        self._tools.owner.changed()


def _modes(wanted: Mapping[int, Mode], held: Mapping[int, Mode]) -> dict[Mode, list[int]]:
    """Return the tokens whose mode is to be set, by mode, ascending."""
    found: dict[Mode, list[int]] = {}
    for token in sorted(wanted):
        if held.get(token) != wanted[token]:
            found.setdefault(wanted[token], []).append(token)
    return found
