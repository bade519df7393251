"""One connected client: what it is told, given, refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from publisher import farewells, protocol
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
from publisher.requests import Auth, Ping, Policy, Subscribe, TickNames, Unsubscribe
from shared.errors import MessageError

if TYPE_CHECKING:
    from publisher.desk import Desk

_NO_TOKENS: Tokens = np.empty(0, np.uint32)
_MINUTE_S = 60.0
#: What a client reads of what was wrong with its message.
_FAULT_CHARACTERS_MAX = 300


class Session:
    """One authenticated connection: answers its requests through its queue in the hub."""

    def __init__(self, desk: Desk, principal: Principal, subscriber: int) -> None:
        self.principal = principal
        self.subscriber = subscriber
        self.dialect: Dialect = desk.hub.dialect_of(subscriber)
        self._desk = desk
        self._hub = desk.hub
        self._orders: set[str] = set()
        self._has_gaps = False
        self._policy = Policy()
        #: Underlyings subscribed to, each with its mode and the tokens that came of it.
        self._underlyings: dict[str, tuple[int, Tokens]] = {}
        self._minute_began_s = float("-inf")
        self._requests = 0

    def welcome(self, now_ns: int) -> None:
        """Greet: the first message of every connection."""
        limits = self._desk.limits
        self._say(
            Welcome(
                name=self.principal.name,
                epoch=self._desk.epoch,
                server_time_us=now_ns // 1000,
                heartbeat_s=limits.heartbeat_s,
                instruments_max=limits.instruments_per_connection_max,
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
                orders={account: sequences[account] for account in sorted(self._orders)},
            )
        )

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
                self._subscribe(request)
            case Unsubscribe():
                self._unsubscribe(request)
            case Ping():
                self.heartbeat(now_ns)
            case Auth():
                self._say(Fault(code="authenticated", message="the connection has its key already"))
        return None

    def follow_underlyings(self) -> None:
        """Bring the subscribed underlyings up to what is published now."""
        for name, (mode, before) in tuple(self._underlyings.items()):
            now = self._desk.universe.members_of(name)
            now = _NO_TOKENS if now is None else now
            gone, new = np.setdiff1d(before, now), np.setdiff1d(now, before)
            if not len(gone) and not len(new):
                continue
            self._hub.unwant(self.subscriber, gone)
            fits = self._room(new)
            self._hub.want(self.subscriber, new[fits], mode, has_snapshot=False)
            held = np.concatenate([np.intersect1d(before, now), new[fits]])
            self._underlyings[name] = (mode, held)
            self._say(
                UnderlyingChanged(
                    underlying=name, instruments=len(held), refused=int((~fits).sum())
                )
            )

    def _subscribe(self, request: Subscribe) -> None:
        if request.snapshot and request.ticks and self._hub.is_busy(self.subscriber):
            self._say(Fault(code="busy", message="too many snapshots are still on their way"))
            return
        refused: list[Refusal] = []
        if request.policy is not None:
            self._obey(request.policy)
        if request.gaps is not None and self._may_read_ticks("gaps", refused):
            self._has_gaps = request.gaps
            self._hub.hear_gaps(self.subscriber, wanted=request.gaps)
        orders = self._follow(request.orders, refused)
        tokens = _NO_TOKENS
        underlyings: dict[str, int] = {}
        if request.ticks is not None and self._may_read_ticks("ticks", refused):
            tokens, underlyings = self._subscribe_ticks(request, request.ticks, refused)
        self._say(
            Subscribed(
                accepted=Accepted(
                    tokens=tokens.tolist(),
                    underlyings=underlyings,
                    mode=MODES[self._mode(request.ticks)] if request.ticks else None,
                    orders=orders,
                    gaps=self._has_gaps,
                    policy=self._policy,
                    instruments=self._hub.wanted(self.subscriber),
                ),
                refused=refused,
                snapshot_id=self._hub.sequence,
            )
        )

    def _obey(self, policy: Policy) -> None:
        self._policy = policy
        self._hub.pace(self.subscriber, policy.min_interval_ms / 1000)
        if policy.mode == "conflate":
            self._hub.conflate(self.subscriber)
        else:
            self._hub.flow(
                self.subscriber,
                is_strict=policy.mode == "strict",
                bytes_max=policy.budget_bytes,
            )

    def _subscribe_ticks(
        self, request: Subscribe, names: TickNames, refused: list[Refusal]
    ) -> tuple[Tokens, dict[str, int]]:
        """Want what is named and fits; return the tokens named singly, the underlyings' sizes."""
        mode = self._mode(names)
        singles = self._fitting(self._named(names, refused), refused)
        wanted = [singles]
        self._hub.want(self.subscriber, singles, mode, has_snapshot=request.snapshot)
        for name in names.underlyings:
            members = self._desk.universe.members_of(name)
            if members is None:
                refused.append(Refusal(name, "unknown_underlying"))
            elif not self._room(members).all():
                refused.append(Refusal(name, "over_quota"))
            else:
                self._hub.want(self.subscriber, members, mode, has_snapshot=request.snapshot)
                self._underlyings[name] = (mode, members)
                wanted.append(members)
        if request.snapshot:
            self._hub.snapshot(self.subscriber, np.unique(np.concatenate(wanted)))
        asked = (name for name in names.underlyings if name in self._underlyings)
        return singles, {name: len(self._underlyings[name][1]) for name in asked}

    def _unsubscribe(self, request: Unsubscribe) -> None:
        refused: list[Refusal] = []
        if request.gaps:
            self._has_gaps = False
            self._hub.hear_gaps(self.subscriber, wanted=False)
        for account in request.orders:
            if account in self._orders:
                self._orders.discard(account)
                self._hub.unfollow(self.subscriber, f"orders:{account}")
            else:
                refused.append(Refusal(f"orders:{account}", "not_subscribed"))
        if request.ticks is not None:
            self._unsubscribe_ticks(request.ticks, refused)
        self._say(
            Unsubscribed(
                instruments=self._hub.wanted(self.subscriber),
                orders=sorted(self._orders),
                gaps=self._has_gaps,
                refused=refused,
            )
        )

    def _unsubscribe_ticks(self, names: TickNames, refused: list[Refusal]) -> None:
        tokens = self._named(names, refused, is_published_only=False)
        had = self._hub.unwant(self.subscriber, tokens)
        refused += [Refusal(str(token), "not_subscribed") for token in tokens[~had].tolist()]
        for name in names.underlyings:
            if name in self._underlyings:
                self._hub.unwant(self.subscriber, self._underlyings.pop(name)[1])
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
        limit = self._desk.limits.instruments_per_connection_max
        return self._hub.room(self.subscriber, tokens, limit)

    def _follow(self, accounts: Sequence[str], refused: list[Refusal]) -> dict[str, int]:
        """Follow the accounts that may be followed; return their last sequences."""
        for account in accounts:
            if not self.principal.may_read_orders(account):
                refused.append(Refusal(f"orders:{account}", "forbidden"))
            elif account not in self._desk.order_sequences:
                refused.append(Refusal(f"orders:{account}", "unknown_account"))
            elif account not in self._orders:
                self._orders.add(account)
                self._hub.follow(self.subscriber, f"orders:{account}")
        asked = sorted(self._orders.intersection(accounts))
        return {account: self._desk.order_sequences[account] for account in asked}

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
