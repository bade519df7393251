"""An open WebSocket to Kite: frames out as bytes, liveness by real pings, a typed end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, cast

import picows

from shared.clock import Clock
from shared.kite import subscriptions
from shared.kite.ended import Closed, Ended, Lost, Silent
from shared.kite.settings import KiteSettings
from shared.wire.segments import FRAME_BYTES_MAX
from shared.wire.ticks import Mode

NORMAL_CLOSURE: Final = 1000
#: What RFC 6455 calls a close frame without a code.
NO_CODE: Final = 1005
#: A beat this late means our own loop stood still: the silence may be ours, not theirs.
BEAT_LATE_S: Final = 1.0


class SocketListener(Protocol):
    """Who receives a socket's messages; called on the loop, must not block."""

    def on_frame(self, frame: bytes, received_at_ns: int) -> None:
        """Take one binary frame, heartbeats included."""
        ...

    def on_text(self, text: bytes, received_at_ns: int) -> None:
        """Take one text frame; see `shared.kite.notices`."""
        ...


class KiteSocket(picows.WSListener):
    """An open connection; made by `open_socket` only."""

    def __init__(self, settings: KiteSettings, listener: SocketListener, clock: Clock) -> None:
        self._settings = settings
        self._listener = listener
        self._reporting = _Reporting(self)
        self._clock = clock
        self._transport: picows.WSTransport | None = None
        self._beat_handle: asyncio.TimerHandle | None = None
        self._parts: bytearray | None = None
        self._parts_are_text = False
        self._end: Ended | None = None
        self._closing = False
        self._abandoned = False
        #: Resolves once, with why the connection is over; fails if the listener raised.
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        #: Monotonic time of the newest data frame, heartbeats included; what a watchdog looks at.
        self.last_frame_s = clock.monotonic_s()
        self._last_pong_s = self.last_frame_s
        self._beat_due_s = self.last_frame_s

    @property
    def opened(self) -> bool:
        """Say whether the handshake succeeded; the vendor is silent when it is cut short."""
        return self._transport is not None

    def subscribe(self, tokens: Iterable[int]) -> None:
        """Ask for `tokens`, in quote mode until `set_mode` says otherwise."""
        self._say(subscriptions.membership("subscribe", tokens))

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        """Ask for `tokens` no longer."""
        self._say(subscriptions.membership("unsubscribe", tokens))

    def set_mode(self, mode: Mode, tokens: Iterable[int]) -> None:
        """Set the mode of subscribed `tokens`."""
        self._say(subscriptions.mode(mode, tokens))

    def close(self) -> None:
        """Begin the closing handshake; `ended` resolves when it is over."""
        if self._transport is None or self._closing or self.ended.done():
            return
        self._closing = True
        self._end = Closed(NORMAL_CLOSURE, ours=True)
        self._transport.send_close(picows.WSCloseCode.OK)
        self._later(self._settings.socket_close_timeout_s, self._abort)

    def drop(self) -> None:
        """End without a closing handshake, which a peer that is silent would not finish."""
        if not self.ended.done():
            self._give_up(Closed(NORMAL_CLOSURE, ours=True))

    def _say(self, messages: list[bytes]) -> None:
        """Send text frames; on a connection that is over they are dropped, as the peer is gone."""
        if self._transport is None or self._closing or self.ended.done():
            return
        for message in messages:
            self._transport.send(picows.WSMsgType.TEXT, message)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Begin to ping; end at once what nobody waits for any more."""
        self._transport = transport
        if self._abandoned:
            self._give_up(Lost("abandoned during the handshake"))
        else:
            self._schedule_beat()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Copy one frame out of the vendor's buffer, once, then pass it on."""
        if self.ended.done():
            return  # frames behind the one that failed, already in the vendor's buffer
        kind = frame.msg_type
        if kind is _PONG:
            self._last_pong_s = self._clock.monotonic_s()
            return
        if kind is _CLOSE:
            self._answer_close(transport, frame)
            return
        self.last_frame_s = self._clock.monotonic_s()
        payload = frame.get_payload_as_bytes()
        if frame.fin and self._parts is None:
            self._pass_on(payload, is_text=kind is _TEXT)
        else:
            self._join(frame, payload)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """Say why, once."""
        if self._beat_handle is not None:
            self._beat_handle.cancel()
        if self.ended.done():
            return
        self.ended.set_result(self._end or Lost(_breakage(transport)))

    def _pass_on(self, payload: bytes, *, is_text: bool) -> None:
        received_at_ns = self._clock.now_ns()
        with self._reporting:
            if is_text:
                self._listener.on_text(payload, received_at_ns)
            else:
                self._listener.on_frame(payload, received_at_ns)

    def _join(self, frame: picows.WSFrame, payload: bytes) -> None:
        """Collect the parts of a fragmented message, within the limit of a whole one."""
        if self._parts is None:
            self._parts, self._parts_are_text = bytearray(), frame.msg_type is _TEXT
        if len(self._parts) + len(payload) > FRAME_BYTES_MAX:
            self._give_up(Lost(f"a message above {FRAME_BYTES_MAX} bytes"))
            return
        self._parts += payload
        if frame.fin:
            whole, self._parts = bytes(self._parts), None
            self._pass_on(whole, is_text=self._parts_are_text)

    def _answer_close(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else NO_CODE
        if self._end is None:
            self._end = Closed(code, payload[2:].decode(errors="replace"))
        self._closing = True
        transport.send_close(picows.WSCloseCode.OK)
        transport.disconnect()

    def _schedule_beat(self) -> None:
        self._beat_due_s = self._clock.monotonic_s() + self._settings.ping_interval_s
        self._beat_handle = self._later(self._settings.ping_interval_s, self._beat)

    def _beat(self) -> None:
        """Ping; give up when nothing at all has been heard for too long."""
        now_s = self._clock.monotonic_s()
        silence_s = now_s - max(self.last_frame_s, self._last_pong_s)
        held_up = now_s - self._beat_due_s > BEAT_LATE_S
        if silence_s >= self._settings.silence_s_max and not held_up:
            self._give_up(Silent(silence_s))
        elif self._transport is not None and not self._closing:
            self._transport.send_ping()
            self._schedule_beat()

    def _give_up(self, end: Ended) -> None:
        """End at once: a peer that is silent or wrong would not finish a closing handshake."""
        self._end = self._end or end
        self._closing = True
        self._abort()

    def _abort(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.abort()

    def fail(self, error: Exception) -> None:
        """End because the listener raised: its error is what `ended` gives."""
        if not self.ended.done():
            self.ended.set_exception(error)
        self._give_up(Lost("the listener failed"))

    async def finished(self) -> None:
        """Close, wait for the transport's end, swallow what the vendor has to say about it."""
        self._abandoned = True
        self.close()
        if self._transport is not None:
            with suppress(picows.WSError, OSError):
                await self._transport.wait_disconnected()

    @staticmethod
    def _later(delay_s: float, call: Callback) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s, call)


class Callback(Protocol):
    """Something to be called later."""

    def __call__(self) -> None:
        """Do it."""
        ...


# Looked up once: each asking of the vendor's enumeration is two more.
_TEXT: Final = picows.WSMsgType.TEXT
_PONG: Final = picows.WSMsgType.PONG
_CLOSE: Final = picows.WSMsgType.CLOSE


class _Reporting:
    """Carries the listener's exception to whoever awaits `ended`: the vendor would swallow it."""

    __slots__ = ("_socket",)

    def __init__(self, socket: KiteSocket) -> None:
        self._socket = socket

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._socket.fail(error)
        return True


def _breakage(transport: picows.WSTransport) -> str:
    """Return why a connection ended that nobody closed."""
    # The vendor closes by itself only when the peer broke the protocol; its types omit the None.
    handshake = cast("Any", transport.close_handshake)
    sent = handshake.sent if handshake is not None else None
    return f"protocol broken: {sent.reason}" if sent is not None else "connection lost"
