"""Who is connected, what is published, what is in force for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from publisher import farewells
from publisher.auth import Keyring
from publisher.farewells import Farewell
from publisher.hub import Hub
from publisher.session import Session
from publisher.universe import Universe, nothing_published


@dataclass(frozen=True, slots=True)
class DeskLimits:
    """Quotas of a key and of a connection."""

    connections_per_key_max: int
    instruments_per_connection_max: int
    requests_per_minute_max: int
    message_bytes_max: int
    heartbeat_s: float
    #: Messages kept of one account's channel, for whoever is behind or comes back.
    backlog_entries_max: int = 10_000
    backlog_bytes_max: int = 16 * 2**20


class Desk:
    """Knows who is connected, what is published, how far each account's events have come."""

    def __init__(
        self,
        hub: Hub,
        keyring: Keyring,
        *,
        accounts: Iterable[str],
        limits: DeskLimits,
        epoch: str,
    ) -> None:
        self.hub = hub
        self.limits = limits
        self.epoch = epoch
        self.universe: Universe = nothing_published()
        self.has_upstream = False
        #: Sequence of the last event seen of each account, -1 before the first.
        self.order_sequences = dict.fromkeys(accounts, -1)
        for account in self.order_sequences:
            hub.add_channel(
                f"orders:{account}",
                entries_max=limits.backlog_entries_max,
                bytes_max=limits.backlog_bytes_max,
            )
        self._keyring = keyring
        self._sessions: dict[int, Session] = {}

    def enter(self, key: str, dialect: int = 0) -> Session | Farewell:
        """Return a new session for whoever holds the key, or why there is none."""
        principal = self._keyring.find(key)
        if principal is None:
            return farewells.UNAUTHENTICATED
        own = sum(each.principal.name == principal.name for each in self._sessions.values())
        if own >= self.limits.connections_per_key_max:
            return farewells.KEY_CONNECTIONS
        subscriber = self.hub.open(dialect)
        if subscriber is None:
            return farewells.CONNECTIONS
        session = Session(self, principal, subscriber)
        self._sessions[subscriber] = session
        return session

    def leave(self, session: Session) -> None:
        """Forget a session."""
        del self._sessions[session.subscriber]
        self.hub.close(session.subscriber)

    def publish(self, universe: Universe) -> list[int]:
        """Take a new publication of instruments; return the subscribers to wake."""
        self.universe = universe
        self.hub.rename(universe)
        for session in self._sessions.values():
            session.follow_underlyings()
        return list(self._sessions)
