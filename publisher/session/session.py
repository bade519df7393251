"""One connected client: what it is told, given, refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from publisher.access.auth import Principal
from publisher.fanout.dialects import Dialect
from publisher.protocol import farewells
from publisher.protocol import parsing as protocol
from publisher.protocol.farewells import Farewell
from publisher.protocol.messages import (
    Accepted,
    Bars,
    Fault,
    Heartbeat,
    Refusal,
    Subscribed,
    Unsubscribed,
    Welcome,
)
from publisher.protocol.requests import Auth, Ping, Subscribe, Unsubscribe
from publisher.session.bar_wants import BarWants
from publisher.session.followed import Followed
from publisher.session.seat import Seat
from publisher.session.tick_wants import Began, TickWants, is_pattern
from shared.errors import MessageError

if TYPE_CHECKING:
    from publisher.session.desk import Desk

_MINUTE_S = 60.0
#: What a client reads of what was wrong with its message.
_FAULT_CHARACTERS_MAX = 300


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
        seat = Seat(desk, principal, subscriber)
        self._say = seat.say
        self._may_read_ticks = seat.may_read_ticks
        self.ticks = TickWants(seat)
        self.followed = Followed(seat)
        self.bars = BarWants(seat)
        self._has_gaps = False
        self._minute_began_s = float("-inf")
        self._requests = 0

    def welcome(self, now_ns: int) -> None:
        """Greet: the first message of every connection."""
        limits = self._desk.limits
        if self.principal.quotas.bytes_per_s:
            self._hub.policies.pace(self.subscriber, 0.0, float(self.principal.quotas.bytes_per_s))
        self._say(
            Welcome(
                name=self.principal.name,
                epoch=self._desk.epoch,
                server_time_us=now_ns // 1000,
                heartbeat_s=limits.heartbeat_s,
                instruments_max=self.ticks.instruments_max,
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
                orders={each: sequences[each] for each in self.followed.accounts("orders")},
                at=self.ticks.at,
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
                self.ask(request, now_s=now_s)
            case Unsubscribe():
                self._unsubscribe(request)
            case Ping():
                self.heartbeat(now_ns)
            case Auth():
                self._say(Fault(code="authenticated", message="the connection has its key already"))
        return None

    def ask(self, request: Subscribe, *, now_s: float) -> None:
        """Carry out a subscribe that has been read already."""
        if request.snapshot and request.ticks and self._hub.is_busy(self.subscriber):
            self._say(Fault(code="busy", message="too many snapshots are still on their way"))
            return
        refused: list[Refusal] = []
        if request.policy is not None:
            self.ticks.obey(request.policy)
        if request.gaps is not None and self._may_read_ticks("gaps", refused):
            self._hear_gaps(wanted=request.gaps)
        missed = self.followed.subscribe_accounts(request, refused)
        chains = self.followed.subscribe_chains(request.chains, refused)
        bars, bars_at = self._begin_bars(request, refused, missed, now_s)
        began = self.ticks.subscribe(request, refused, now_s)
        if not began.is_recovered and _has_place_in_ticks(request):
            missed.insert(0, "ticks")
        is_recovered = request.resume is not None and began.is_recovered and not missed
        self._say(
            Subscribed(
                accepted=self._accepted(request, began, chains),
                refused=refused,
                snapshot_id=began.snapshot_id,
                at=began.at,
                offsets=self.followed.offsets(request),
                recovered=is_recovered,
                missed=missed,
                bars_at=bars_at,
            )
        )
        for message in bars:
            self._say(message)

    def _begin_bars(
        self, request: Subscribe, refused: list[Refusal], missed: list[str], now_s: float
    ) -> tuple[list[Bars], dict[str, str]]:
        """Want the bars named; return what is told of them now, and after which entries that is.

        Where the newest of each are told, the last of their messages says it: who does not hear
        all of them begins anew.
        """
        if request.bars is None:
            return [], {}
        self.bars.subscribe(request.bars, refused)
        places = request.resume.bars if request.resume is not None else {}
        if places and self.bars.wanted:
            found = None
            if self._desk.may_replay(now_s):
                found = self.bars.missed(request.bars, places)
            if found is not None:
                return found, places
            missed.append("bars")
        newest = self.bars.newest(request.bars) if request.snapshot else []
        return newest, {} if newest else self.bars.at

    def _accepted(self, request: Subscribe, began: Began, chains: list[str]) -> Accepted:
        """Return what of a request is in force now."""
        sequences, followed = self._desk.order_sequences, self.followed
        groups = began.groups
        return Accepted(
            tokens=began.tokens.tolist(),
            underlyings={name: groups[name] for name in groups if not is_pattern(name)},
            patterns={name: groups[name] for name in groups if is_pattern(name)},
            chains=chains,
            mode=began.mode,
            orders={
                account: sequences[account]
                for account in followed.accounts("orders")
                if account in request.orders
            },
            updates=[each for each in followed.accounts("updates") if each in request.updates],
            gaps=self._has_gaps,
            policy=self.ticks.policy,
            instruments=self._hub.wanted(self.subscriber),
            bars=self.bars.wanted,
        )

    def _unsubscribe(self, request: Unsubscribe) -> None:
        refused: list[Refusal] = []
        if request.gaps:
            self._hear_gaps(wanted=False)
        self.followed.unsubscribe(request, refused)
        if request.ticks is not None:
            self.ticks.unsubscribe(request.ticks, refused)
        if request.bars is not None:
            self.bars.unsubscribe(request.bars, refused)
        self._say(
            Unsubscribed(
                instruments=self._hub.wanted(self.subscriber),
                chains=self.followed.chains,
                orders=self.followed.accounts("orders"),
                updates=self.followed.accounts("updates"),
                gaps=self._has_gaps,
                bars=self.bars.wanted,
                refused=refused,
            )
        )

    def _hear_gaps(self, *, wanted: bool) -> None:
        self._has_gaps = wanted
        self._hub.hear_gaps(self.subscriber, wanted=wanted)

    def _is_over_rate(self, now_s: float) -> bool:
        if now_s - self._minute_began_s >= _MINUTE_S:
            self._minute_began_s, self._requests = now_s, 0
        self._requests += 1
        return self._requests > self._desk.limits.requests_per_minute_max


def _has_place_in_ticks(request: Subscribe) -> bool:
    """Say whether a client comes back for ticks that it had before."""
    resume = request.resume
    return request.ticks is not None and resume is not None and bool(resume.epoch or resume.at)
