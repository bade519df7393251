"""Who is connected, what is published, what is in force for everybody."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from publisher.access.auth import Keyring, Principal
from publisher.access.tokens import Claimed, TokenKeys
from publisher.fanout import channels
from publisher.fanout.bar_board import BarBoard
from publisher.fanout.hub import Hub
from publisher.fanout.latest import Tokens
from publisher.fanout.universe import Universe, nothing_published
from publisher.protocol import farewells
from publisher.protocol.farewells import Farewell
from publisher.protocol.messages import ChainNotice
from publisher.session.session import Session

#: Chains held at one time, each with what followed its newest snapshot.
CHAINS_MAX = 1000
CHAIN_ENTRIES_MAX = 128


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
    #: Who comes back to every tick gets at most so many again, and at most so many do in a second;
    #: the others get a snapshot.
    replay_ticks_max: int = 20_000
    replays_per_s_max: int = 20


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
            for kind in (channels.ORDERS, channels.UPDATES):
                hub.channels.add(
                    kind + account,
                    entries_max=limits.backlog_entries_max,
                    bytes_max=limits.backlog_bytes_max,
                )
        self.bars = BarBoard()
        #: Chains there are, `UNDERLYING:EXPIRY`, by underlying.
        self._chains: dict[str, set[str]] = {}
        self._second_began_s = float("-inf")
        self._replays = 0
        self._keyring = keyring
        self.tokens = TokenKeys()
        self._sessions: dict[int, Session] = {}

    def enter(
        self, key: str, dialect: int = 0, *, now_s: float = 0.0, takes_over: bool = False
    ) -> Session | Farewell:
        """Return a new session for whoever holds the key or token, or why there is none.

        `takes_over`: where the key has its number of connections, its oldest one makes room.
        """
        claimed = self.claim(key, now_s)
        if claimed is None:
            return farewells.UNAUTHENTICATED
        principal = claimed.principal
        own = [
            each
            for each in self._sessions.values()
            if each.principal.name == principal.name and not each.is_leaving
        ]
        limit = self.limits.connections_per_key_max
        is_full = len(own) >= min(limit, principal.quotas.connections or limit)
        if is_full and not takes_over:
            return farewells.KEY_CONNECTIONS
        subscriber = self.hub.open(dialect)
        if subscriber is None:
            return farewells.CONNECTIONS
        session = Session(self, principal, subscriber)
        session.expires_s = claimed.expires_s
        if is_full:
            own[0].is_leaving = True
            session.displaces = own[0].subscriber
        self._sessions[subscriber] = session
        return session

    def principal_of(self, key: str, now_s: float) -> Principal | None:
        """Return who holds a key or token, or None."""
        claimed = self.claim(key, now_s)
        return None if claimed is None else claimed.principal

    def claim(self, key: str, now_s: float) -> Claimed | None:
        """Return who holds a key or token, and until when that is so; None for nobody."""
        principal = self._keyring.find(key)
        if principal is not None:
            return Claimed(principal, math.inf)
        return self.tokens.find(key, now_s) if self.tokens else None

    def leave(self, session: Session) -> None:
        """Forget a session."""
        del self._sessions[session.subscriber]
        session.bars.leave()
        self.hub.close(session.subscriber)

    def publish(self, universe: Universe) -> list[int]:
        """Take a new publication of instruments; return the subscribers to wake."""
        self.universe = universe
        self.hub.rename(universe)
        for session in self._sessions.values():
            session.ticks.follow_groups()
        return list(self._sessions)

    def members_of(self, name: str) -> Tokens | None:
        """Return what an underlying, or a pattern, stands for now; None where it is unknown."""
        if ":" in name:
            return self.universe.matching(name)
        return self.universe.members_of(name)

    def may_replay(self, now_s: float) -> bool:
        """Tell whether one more may have old ticks replayed in this second, counting it if so."""
        if now_s - self._second_began_s >= 1.0:
            self._second_began_s, self._replays = now_s, 0
        self._replays += 1
        return self._replays <= self.limits.replays_per_s_max

    def chains_of(self, name: str) -> list[str]:
        """Return the chains that `UNDERLYING` or `UNDERLYING:EXPIRY` means, those there are."""
        known = self._chains.get(name.partition(":")[0], set())
        return sorted(known) if ":" not in name else [name] if name in known else []

    def tell_chain(self, notice: ChainNotice, *, is_snapshot: bool) -> list[int]:
        """Pass a chain's message on; return whom to wake."""
        channel = channels.CHAIN + notice.name
        if self.hub.channels.get(channel) is None:
            if not is_snapshot or sum(map(len, self._chains.values())) >= CHAINS_MAX:
                return []
            self.hub.channels.add(
                channel,
                entries_max=CHAIN_ENTRIES_MAX,
                bytes_max=self.limits.backlog_bytes_max,
                restarts=True,
            )
            self._chains.setdefault(notice.name.partition(":")[0], set()).add(notice.name)
            for session in self._sessions.values():
                session.followed.follow_chain(notice.name)
        return self.hub.channels.tell(channel, notice.id, notice, is_restart=is_snapshot)
