"""Why a connection ends, in codes that tell a client whether to come back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Retry(IntEnum):
    """What a client does after a close: nothing, come back, come back later."""

    NO = 0
    YES = 1
    AFTER = 2


@dataclass(frozen=True, slots=True)
class Farewell:
    """Why a connection ends: the WebSocket close code, its name, what the client does next."""

    code: int
    name: str
    retry: Retry
    meaning: str

    def reason(self, after_ms: int = 0) -> bytes:
        """Return the close frame's reason, such as `draining retry=after after_ms=1500`."""
        suffix = f" after_ms={after_ms}" if self.retry is Retry.AFTER else ""
        return f"{self.name} retry={self.retry.name.lower()}{suffix}".encode()


#: 40xx: reconnect, the reason says when. 45xx: give up, the same again would end the same way.
DRAINING = Farewell(4000, "draining", Retry.AFTER, "this publisher stops; another one answers")
SLOW = Farewell(4001, "slow", Retry.AFTER, "messages that may not be left out were not read")
SILENT = Farewell(4002, "silent", Retry.YES, "no answer to pings")
AUTH_TIMEOUT = Farewell(4003, "auth_timeout", Retry.YES, "no key within the time limit")
CONNECTIONS = Farewell(4004, "connections", Retry.AFTER, "too many connections at this publisher")
KEY_CONNECTIONS = Farewell(4005, "key_connections", Retry.AFTER, "too many connections of the key")
REQUESTS = Farewell(4006, "requests", Retry.AFTER, "too many requests in a minute")
EXPIRED = Farewell(4007, "expired", Retry.YES, "the token has expired; come back with a new one")
UNAUTHENTICATED = Farewell(4500, "unauthenticated", Retry.NO, "the key opens nothing here")
MALFORMED = Farewell(4501, "malformed", Retry.NO, "a message is not of this protocol")
TAKEN_OVER = Farewell(4502, "taken_over", Retry.NO, "a newer connection of the key took its place")
FAREWELLS: tuple[Farewell, ...] = (
    DRAINING, SLOW, SILENT, AUTH_TIMEOUT, CONNECTIONS, KEY_CONNECTIONS, REQUESTS, EXPIRED,
    UNAUTHENTICATED, MALFORMED, TAKEN_OVER,
)  # fmt: skip
