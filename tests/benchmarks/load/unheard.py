"""Subscribers whose sockets swallow everything: what is left is the publisher's own work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec

from publisher.door.connection import Connection, Surroundings
from publisher.door.delivering import SERVED_AT_ONCE_MAX
from publisher.door.server import Server
from publisher.protocol.requests import Subscribe
from publisher.session.session import Session
from shared.runtime import logs


class _Socket:
    """A transport that has room for anything."""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        pass


def unheard(
    around: Surroundings, key: str, requests: Sequence[dict[str, Any]]
) -> Callable[[Sequence[int]], None]:
    """Return what serves these subscribers, as the server's rounds do."""
    server = Server(around, logs.get_log())
    for request in requests:
        session = around.desk.enter(key)
        assert isinstance(session, Session)
        asked: Any = SimpleNamespace(
            transport=_Socket(), protocol=SimpleNamespace(writing_paused=False)
        )
        ws: Any = None
        connection = Connection(asked, ws, session, around, server.rounds.later)
        server._connections[session.subscriber] = connection
        session.ask(msgspec.convert(request, Subscribe), now_s=0.0)
        connection.deliver()

    def serve(ready: Sequence[int]) -> None:
        for begin in range(0, len(ready), SERVED_AT_ONCE_MAX):
            server._serve_many(ready[begin : begin + SERVED_AT_ONCE_MAX])

    return serve
