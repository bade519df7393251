"""One connected client: what it is told, given, refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from publisher import channels, farewells, protocol
from publisher.auth import Principal
from publisher.dialects import Dialect
from publisher.farewells import Farewell
from publisher.latest import Tokens
from publisher.messages import (
    Accepted,
    Fault,
    Heartbeat,
    Refusal,
    Reply,
    Subscribed,
    UnderlyingChanged,
    Unsubscribed,
    Welcome,
)
from publisher.modes import MODES
from publisher.requests import Auth, Ping, Policy, Resume, Subscribe, TickNames, Unsubscribe
from shared.errors import MessageError

if TYPE_CHECKING:
    from publisher.desk import Desk

_NO_TOKENS: Tokens = np.empty(0, np.uint32)
_MINUTE_S = 60.0
#: What a client reads of what was wrong with its message.
_FAULT_CHARACTERS_MAX = 300
#: Patterns one connection may hold: each is resolved again whenever instruments change.
PATTERNS_HELD_MAX = 32


class Session:
    """One authenticated connection: answers its requests through its queue in the hub."""

    def __init__(self, desk: Desk, principal: Principal, subscriber: int) -> None:
        self.principal = principal
        self.subscriber = subscriber
        self.dialect: Dialect = desk.hub.dialect_of(subscriber)
        #: Unix seconds after which the token behind it is good no longer.
        self.expires_s = math.inf
        #: A connection of the same key that ends for this one.
        self.displaces: int | None = None
        self.is_leaving = False
        self._desk = desk
        self._hub = desk.hub
        #: Accounts followed, by kind of channel.
        self._followed: dict[str, set[str]] = {"orders": set(), "updates": set()}
        self._chains: set[str] = set()
        self._has_gaps = False
        self._policy = Policy()
        #: Underlyings and patterns subscribed to, each with its mode, the tokens that came of it.
        self._groups: dict[str, tuple[int, Tokens]] = {}
        #: By channel the entry after which its messages began.
        self._begun: dict[str, str] = {}
        self._snapshot_id = 0
        self._at: dict[str, str] = {}
        self._minute_began_s = float("-inf")
        self._requests = 0

    def welcome(self, now_ns: int) -> None:
        """Greet: the first message of every connection."""
        limits = self._desk.limits
        if self.principal.quotas.bytes_per_s:
            self._hub.pace(self.subscriber, 0.0, float(self.principal.quotas.bytes_per_s))
        self._say(
            Welcome(
                name=self.principal.name,
                epoch=self._desk.epoch,
                server_time_us=now_ns // 1000,
                heartbeat_s=limits.heartbeat_s,
                instruments_max=self._instruments_max(),
                message_bytes_max=limits.message_bytes_max,
            )
        )

    def heartbeat(self, now_ns: int) -> None:
        """Say that we are here, how far the records have come, how far each account."""
        sequences = self._desk.order_sequences
        self._say(
            Heartbeat(
                server_time_us=now_ns // 1000,
                sequence=self._hub.sequence,
                upstream=self._desk.has_upstream,
                orders={each: sequences[each] for each in sorted(self._followed["orders"])},
                at=self._hub.at if self._is_complete() else {},
            )
        )

    def ask(self, request: Subscribe, *, now_s: float) -> None:
        """Carry out a subscribe that has been read already."""
        self._snapshot_id, self._at = self._hub.sequence, {}
        self._subscribe(request, now_s)

    def answer(self, message: str | bytes, *, now_ns: int, now_s: float) -> Farewell | None:
        """Carry out one text message; return why the connection must end, if it must."""
        if self._is_over_rate(now_s):
            return farewells.REQUESTS
        try:
            request = protocol.parse(message)
        except MessageError as error:
            self._say(Fault(code="malformed", message=str(error)[:_FAULT_CHARACTERS_MAX]))
            return farewells.MALFORMED
        match request:
            case Subscribe():
                self.ask(request, now_s=now_s)
            case Unsubscribe():
                self._unsubscribe(request)
            case Ping():
                self.heartbeat(now_ns)
            case Auth():
                self._say(Fault(code="authenticated", message="the connection has its key already"))
        return None

    def follow_groups(self) -> None:
        """Bring the subscribed underlyings and patterns up to what is published now."""
        for name, (mode, before) in tuple(self._groups.items()):
            now = self._desk.members_of(name)
            now = _NO_TOKENS if now is None else now
            gone, new = np.setdiff1d(before, now), np.setdiff1d(now, before)
            if not len(gone) and not len(new):
                continue
            self._hub.unwant(self.subscriber, gone)
            fits = self._room(new)
            self._hub.want(self.subscriber, new[fits], mode, has_snapshot=False)
            held = np.concatenate([np.intersect1d(before, now), new[fits]])
            self._groups[name] = (mode, held)
            self._say(
                UnderlyingChanged(
                    underlying=name, instruments=len(held), refused=int((~fits).sum())
                )
            )

    def follow_chain(self, name: str) -> None:
        """Follow a chain that is new, where its underlying's chains are subscribed to."""
        if name in self._chains or name.partition(":")[0] in self._chains:
            self._hub.follow(self.subscriber, channels.CHAIN + name)

    def _subscribe(self, request: Subscribe, now_s: float) -> None:
        if request.snapshot and request.ticks and self._hub.is_busy(self.subscriber):
            self._say(Fault(code="busy", message="too many snapshots are still on their way"))
            return
        refused: list[Refusal] = []
        missed: list[str] = []
        if request.policy is not None:
            self._obey(request.policy)
        if request.gaps is not None and self._may_read_ticks("gaps", refused):
            self._has_gaps = request.gaps
            self._hub.hear_gaps(self.subscriber, wanted=request.gaps)
        resume = request.resume or Resume()
        self._follow("orders", request.orders, resume.orders, refused, missed)
        self._follow("updates", request.updates, resume.updates, refused, missed)
        chains = self._follow_chains(request.chains, refused)
        tokens, groups, is_recovered = _NO_TOKENS, dict[str, int](), True
        if request.ticks is not None and self._may_read_ticks("ticks", refused):
            tokens, groups = self._want(request.ticks, request.snapshot, refused)
            everything = np.concatenate([tokens, *(self._groups[name][1] for name in groups)])
            is_recovered = self._begin(request, np.unique(everything), now_s)
        self._say(
            Subscribed(
                accepted=Accepted(
                    tokens=tokens.tolist(),
                    underlyings={n: groups[n] for n in groups if not _is_pattern(n)},
                    patterns={n: groups[n] for n in groups if _is_pattern(n)},
                    chains=chains,
                    mode=MODES[self._mode(request.ticks)] if request.ticks else None,
                    orders={
                        account: self._desk.order_sequences[account]
                        for account in sorted(self._followed["orders"].intersection(request.orders))
                    },
                    updates=sorted(self._followed["updates"].intersection(request.updates)),
                    gaps=self._has_gaps,
                    policy=self._policy,
                    instruments=self._hub.wanted(self.subscriber),
                ),
                refused=refused,
                snapshot_id=self._snapshot_id,
                at=self._at,
                offsets=self._offsets(request),
                recovered=request.resume is not None and is_recovered and not missed,
                missed=missed,
            )
        )

    def _begin(self, request: Subscribe, tokens: Tokens, now_s: float) -> bool:
        """Bring a client to where ticks go on: what it missed, else a snapshot; tell which."""
        resume, above = request.resume, 0
        self._at = self._hub.at if self._is_complete() else {}
        is_recovered = False
        if resume is not None and self._policy.mode == "conflate":
            is_recovered = resume.epoch == self._desk.epoch
            above = resume.sequence if is_recovered else 0
        elif resume is not None and self._replay(resume, tokens, now_s):
            # The snapshot, of nothing, comes before what is told again.
            is_recovered, tokens, self._at = True, _NO_TOKENS, dict(resume.at)
        if request.snapshot or (resume is not None and not is_recovered):
            snapshot_id = self._snapshot_id
            self._hub.snapshot(self.subscriber, tokens, above=above, snapshot_id=snapshot_id)
        return is_recovered

    def _replay(self, resume: Resume, tokens: Tokens, now_s: float) -> bool:
        is_first = len(tokens) == self._hub.wanted(self.subscriber)
        if not is_first or not self._desk.may_replay(now_s):
            return False
        pasts = self._hub.history.since(resume.at)
        if pasts is None:
            return False
        return self._hub.replay(self.subscriber, pasts, self._desk.limits.replay_ticks_max)

    def _offsets(self, request: Subscribe) -> dict[str, str]:
        offsets: dict[str, str] = {}
        for kind, accounts in (("orders", request.orders), ("updates", request.updates)):
            for account in self._followed[kind].intersection(accounts):
                name = f"{kind}:{account}"
                offsets[name] = self._begun.get(name, "0-0")
        return offsets

    def _is_complete(self) -> bool:
        """Tell whether every tick up to now has been told."""
        return self._policy.mode != "conflate" and self._hub.is_caught_up(self.subscriber)

    def _obey(self, policy: Policy) -> None:
        self._policy = policy
        bytes_per_s = float(self.principal.quotas.bytes_per_s or 0)
        self._hub.pace(self.subscriber, policy.min_interval_ms / 1000, bytes_per_s)
        if policy.mode == "conflate":
            self._hub.conflate(self.subscriber)
        else:
            self._hub.flow(
                self.subscriber,
                is_strict=policy.mode == "strict",
                bytes_max=policy.budget_bytes,
            )

    def _want(
        self, names: TickNames, has_snapshot: bool, refused: list[Refusal]
    ) -> tuple[Tokens, dict[str, int]]:
        """Want what is named and fits; return the tokens named singly, the groups' sizes."""
        mode = self._mode(names)
        singles = self._fitting(self._named(names, refused), refused)
        self._hub.want(self.subscriber, singles, mode, has_snapshot=has_snapshot)
        sizes: dict[str, int] = {}
        patterns = sum(map(_is_pattern, {*self._groups, *names.patterns}))
        for name in (*names.underlyings, *names.patterns):
            members = self._desk.members_of(name)
            if _is_pattern(name) and patterns > PATTERNS_HELD_MAX and name not in self._groups:
                refused.append(Refusal(name, "too_many_patterns"))
            elif members is None:
                refused.append(Refusal(name, "unknown_underlying"))
            elif not self._room(members).all():
                refused.append(Refusal(name, "over_quota"))
            else:
                self._hub.want(self.subscriber, members, mode, has_snapshot=has_snapshot)
                self._groups[name] = (mode, members)
                sizes[name] = len(members)
        return singles, sizes

    def _follow_chains(self, names: Sequence[str], refused: list[Refusal]) -> list[str]:
        if names and not self._may_read_ticks("chains", refused):
            return []
        told: list[str] = []
        for name in names:
            if self._desk.universe.members_of(name.partition(":")[0]) is None:
                refused.append(Refusal(name, "unknown_chain"))
                continue
            self._chains.add(name)
            found = self._desk.chains_of(name)
            for chain in found:
                self._hub.follow(self.subscriber, channels.CHAIN + chain)
            told += found or [name]
        return told

    def _unsubscribe(self, request: Unsubscribe) -> None:
        refused: list[Refusal] = []
        if request.gaps:
            self._has_gaps = False
            self._hub.hear_gaps(self.subscriber, wanted=False)
        for kind, accounts in (("orders", request.orders), ("updates", request.updates)):
            for account in accounts:
                if account in self._followed[kind]:
                    self._followed[kind].discard(account)
                    self._hub.unfollow(self.subscriber, f"{kind}:{account}")
                else:
                    refused.append(Refusal(f"{kind}:{account}", "not_subscribed"))
        for name in request.chains:
            if name in self._chains:
                self._chains.discard(name)
                for chain in self._desk.chains_of(name):
                    self._hub.unfollow(self.subscriber, channels.CHAIN + chain)
            else:
                refused.append(Refusal(name, "not_subscribed"))
        if request.ticks is not None:
            self._unsubscribe_ticks(request.ticks, refused)
        self._say(
            Unsubscribed(
                instruments=self._hub.wanted(self.subscriber),
                chains=sorted(self._chains),
                orders=sorted(self._followed["orders"]),
                updates=sorted(self._followed["updates"]),
                gaps=self._has_gaps,
                refused=refused,
            )
        )

    def _unsubscribe_ticks(self, names: TickNames, refused: list[Refusal]) -> None:
        tokens = self._named(names, refused, is_published_only=False)
        had = self._hub.unwant(self.subscriber, tokens)
        refused += [Refusal(str(token), "not_subscribed") for token in tokens[~had].tolist()]
        for name in (*names.underlyings, *names.patterns):
            if name in self._groups:
                self._hub.unwant(self.subscriber, self._groups.pop(name)[1])
            else:
                refused.append(Refusal(name, "not_subscribed"))

    def _named(
        self, names: TickNames, refused: list[Refusal], *, is_published_only: bool = True
    ) -> Tokens:
        """Return the distinct tokens of what is named singly; the unknown is refused."""
        universe = self._desk.universe
        by_symbol = [(symbol, universe.token_of(symbol)) for symbol in names.symbols]
        refused += [Refusal(name, "unknown_instrument") for name, token in by_symbol if not token]
        tokens: Tokens = np.array(names.tokens, np.uint32)
        if is_published_only:
            known = universe.knows(tokens)
            refused += [Refusal(str(t), "unknown_instrument") for t in tokens[~known].tolist()]
            tokens = tokens[known]
        found = np.array([token for _, token in by_symbol if token], np.uint32)
        return np.unique(np.concatenate([tokens, found]))

    def _mode(self, names: TickNames) -> int:
        only = self.dialect.only_mode
        return MODES.index(names.mode) if only is None else only

    def _fitting(self, tokens: Tokens, refused: list[Refusal]) -> Tokens:
        fits = self._room(tokens)
        refused += [Refusal(str(token), "over_quota") for token in tokens[~fits].tolist()]
        fitting: Tokens = tokens[fits]
        return fitting

    def _room(self, tokens: Tokens) -> NDArray[np.bool_]:
        return self._hub.room(self.subscriber, tokens, self._instruments_max())

    def _instruments_max(self) -> int:
        limit = self._desk.limits.instruments_per_connection_max
        return min(limit, self.principal.quotas.instruments or limit)

    def _follow(
        self,
        kind: str,
        accounts: Sequence[str],
        resume: Mapping[str, str],
        refused: list[Refusal],
        missed: list[str],
    ) -> None:
        """Follow the accounts that may be followed, from where the client had come to."""
        for account in accounts:
            name = f"{kind}:{account}"
            channel = self._hub.channel(name)
            if not self.principal.may_read_orders(account):
                refused.append(Refusal(name, "forbidden"))
            elif channel is None:
                refused.append(Refusal(name, "unknown_account"))
            elif account not in self._followed[kind]:
                reader = channel.after(resume[account]) if account in resume else None
                if reader is None and account in resume:
                    missed.append(name)
                self._followed[kind].add(account)
                self._begun[name] = (resume[account] if reader is not None else None) or (
                    channel.newest_id() or "0-0"
                )
                self._hub.follow(self.subscriber, name, reader)

    def _may_read_ticks(self, what: str, refused: list[Refusal]) -> bool:
        if not self.principal.may_read_ticks:
            refused.append(Refusal(what, "forbidden"))
        return self.principal.may_read_ticks

    def _is_over_rate(self, now_s: float) -> bool:
        if now_s - self._minute_began_s >= _MINUTE_S:
            self._minute_began_s, self._requests = now_s, 0
        self._requests += 1
        return self._requests > self._desk.limits.requests_per_minute_max

    def _say(self, reply: Reply) -> None:
        self._hub.say(self.subscriber, reply)


def _is_pattern(name: str) -> bool:
    """Tell a pattern, which names an exchange, from an underlying, which does not."""
    return ":" in name
