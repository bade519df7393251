"""Opening a WebSocket to Kite without letting its token out.

The token travels in the URL, so nothing here lets the vendor's own messages out: its logger is
mute, its exceptions are put into words before ours are raised, never chained.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import picows

from shared.clock import Clock
from shared.errors import (
    KiteError,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
)
from shared.kite.connection import KiteSocket, SocketListener
from shared.kite.limits import SOCKET_REFUSED_PAUSE_S
from shared.kite.settings import KiteSettings
from shared.kite.versions import KITE_VERSION, USER_AGENT
from shared.secret import Secret
from shared.wire.segments import FRAME_BYTES_MAX

# Not from getLogger: no configuration of the root may ever unmute it.
_MUTE: Final = logging.Logger("kite.socket", level=logging.CRITICAL + 1)  # noqa: LOG001


@dataclass(frozen=True, slots=True)
class SocketAccess:
    """Who connects: both travel in the URL."""

    api_key: str
    access_token: Secret

    def url(self, ws_url: str) -> Secret:
        """Return the address with the credentials, percent-encoded."""
        token = quote(self.access_token.reveal(), safe="")
        return Secret(f"{ws_url}?api_key={quote(self.api_key, safe='')}&access_token={token}")


@asynccontextmanager
async def open_socket(
    settings: KiteSettings, access: SocketAccess, listener: SocketListener, clock: Clock
) -> AsyncIterator[KiteSocket]:
    """Enter an open connection; leaving closes it.

    Raises:
        KiteSessionExpired: 403 at the handshake: token or key is wrong, or has no data plan.
        KiteThrottled: 429: too many connections of this key; half-open ones count.
        KiteRejected: another 4xx.
        KiteUnavailable: no connection, no handshake in time, or the gateway is down.
    """
    socket = KiteSocket(settings, listener, clock)
    try:
        refusal = await _connect(socket, settings, access)
        if refusal is not None:
            raise refusal
        yield socket
    finally:
        await socket.finished()


async def _connect(
    socket: KiteSocket, settings: KiteSettings, access: SocketAccess
) -> KiteError | None:
    """Connect; return what went wrong as our own error, made where no vendor error is handled."""
    try:
        async with asyncio.timeout(settings.socket_open_timeout_s):
            await picows.ws_connect(
                lambda: socket,
                access.url(settings.ws_url).reveal(),
                websocket_handshake_timeout=settings.socket_open_timeout_s,
                logger_name=_MUTE,
                max_frame_size=FRAME_BYTES_MAX,
                extra_headers={"X-Kite-Version": KITE_VERSION, "User-Agent": USER_AGENT},
                max_redirects=0,
                use_aiofastnet=False,
            )
    except picows.WSHandshakeError as error:
        status = error.response.status if error.response else None
        return _refusal(status)
    except TimeoutError:
        return KiteUnavailable(f"WebSocket: no handshake in {settings.socket_open_timeout_s:g} s")
    except (picows.WSError, OSError) as error:
        return KiteUnavailable(f"WebSocket: not connected: {_words(error)}")
    return None if socket.opened else KiteUnavailable("WebSocket: closed during the handshake")


def _words(error: Exception) -> str:
    """Describe an error without its message, which may quote the URL; strerror cannot."""
    system = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}, {system}" if system else type(error).__name__


def _refusal(status: HTTPStatus | int | None) -> KiteError:
    """Return the error that the handshake's HTTP status forces."""
    if status is None:
        return KiteUnavailable("WebSocket: the answer to the handshake is not HTTP")
    code = int(status)
    said = f"WebSocket: the handshake was answered with HTTP {code}"
    if code == HTTPStatus.FORBIDDEN:
        return KiteSessionExpired(said, status=code)
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return KiteThrottled(said, retry_after_s=SOCKET_REFUSED_PAUSE_S)
    if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return KiteRejected(said, status=code)
    return KiteUnavailable(said)
