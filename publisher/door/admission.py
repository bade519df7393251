"""Who is let in: by a header, or by the first message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import WSMsgType, hdrs, web

from publisher.door.connection import Surroundings
from publisher.fanout.dialects import DIALECTS, JSON, Dialect
from publisher.protocol import farewells
from publisher.protocol import parsing as protocol
from publisher.protocol.farewells import Farewell
from publisher.protocol.messages import Fault
from publisher.protocol.requests import Auth
from publisher.session.session import Session
from shared.errors import MessageError

#: `Sec-WebSocket-Protocol: tickflow.v1.msgpack` chooses a format; without it, it is JSON.
SUBPROTOCOL = "tickflow.v1."
_ENDED = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})


def asked_dialect(headers: Mapping[str, str]) -> Dialect | None:
    """Return the format a handshake asks for; None where it is none of ours."""
    asked = headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    names = [name.strip() for name in asked.split(",") if name.strip()]
    for dialect in DIALECTS:
        if SUBPROTOCOL + dialect.name in names:
            return dialect
    return None if names else JSON


async def admit_by_message(
    ws: web.WebSocketResponse, around: Surroundings, dialect: Dialect
) -> Session | Farewell | None:
    """Wait for the key as the first message; return the session it opens, or why there is none.

    None where the client left before it said anything.
    """
    try:
        async with asyncio.timeout(around.settings.auth_timeout_s):
            message = await ws.receive()
            while message.type in {WSMsgType.PING, WSMsgType.PONG}:
                message = await ws.receive()
    except TimeoutError:
        return farewells.AUTH_TIMEOUT
    if message.type in _ENDED:
        return None
    try:
        request = protocol.parse(message.data)
    except MessageError:
        # Said without the parser's own words, which may quote a key.
        return farewells.MALFORMED
    if not isinstance(request, Auth):
        return farewells.UNAUTHENTICATED
    return around.desk.enter(
        request.key,
        DIALECTS.index(dialect),
        now_s=around.clock.now_ns() / 1e9,
        takes_over=request.takeover,
    )


def refusal(farewell: Farewell) -> bytes:
    """Return the error message that precedes the farewell to somebody without a session."""
    return JSON.reply(Fault(code=farewell.name, message=farewell.meaning))
