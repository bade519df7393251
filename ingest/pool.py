"""Every account of this ingest with its sockets, as one place where instruments are held."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ingest import metrics
from ingest.arrivals import Arrivals
from ingest.health import Health, Symptoms
from ingest.keeper import PATIENCE, Keeper, Patience, Tools
from ingest.lookout import Lookout
from ingest.moves import Holding
from ingest.plan import Seat
from ingest.stillness import Stillness
from shared.accounts.live import LiveAccount
from shared.clock import Clock
from shared.kite.limits import SOCKETS_PER_KEY_MAX
from shared.kite.settings import KiteSettings
from shared.kite.socket import SocketAccess
from shared.runtime.logs import get_log
from shared.runtime.supervise import supervise
from shared.wire.control import Gap
from shared.wire.ticks import Mode

log = get_log()


class Gaps(Protocol):
    """Where losses of coverage are told once they are over."""

    def gap(self, gap: Gap) -> None:
        """Tell one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the sockets of every account work with."""

    settings: KiteSettings
    arrivals: Arrivals
    gaps: Gaps
    lookout: Lookout
    stillness: Stillness
    clock: Clock
    random: random.Random
    #: How long a socket of an account that failed has to be open before it is trusted again.
    well_after_s: float
    patience: Patience = PATIENCE


class PooledAccount:
    """One account of ours: its sockets, whether they may be given instruments."""

    def __init__(self, live: LiveAccount, ordinal: int, means: Means, wake: asyncio.Event) -> None:
        self.live = live
        self.health = Health()
        self.keepers: list[Keeper] = []
        self.closing = asyncio.Event()
        self._means = means
        self._first = ordinal * SOCKETS_PER_KEY_MAX
        self._wake = wake
        self._generation = live.generation

    @property
    def lacks(self) -> str:
        """Return what it has not got to open a socket with, "" for nothing."""
        if self.live.api_key() and self.live.token():
            return ""
        missing = "access token" if self.live.api_key() else "api_key"
        # What is sealed under a key that is not known here is there, but does not open.
        why = "; ".join(self.live.problems)
        return f"has no {missing} ({why})" if why else f"has no {missing}"

    def access(self) -> SocketAccess:
        """Return what opens a socket now."""
        return SocketAccess(self.live.api_key().reveal(), self.live.token())

    def accepted(self, at_ns: int) -> None:
        """Hear that Kite took the token."""
        self.live.note_accepted(at_ns)

    def refused(self) -> None:
        """Hear that Kite did not take the token."""
        self.live.note_refused()

    def changed(self) -> None:
        """Hear that a socket is in another state."""
        self._wake.set()

    def look(self, *, alone: bool) -> None:
        """Judge its health; an account that nobody stands in for need not prove itself."""
        if self.live.generation != self._generation:
            self._generation = self.live.generation
            for keeper in self.keepers:
                keeper.hurry()
        symptoms = Symptoms(
            [keeper.state for keeper in self.keepers],
            max((keeper.throttled for keeper in self.keepers), default=0),
        )
        before = self.health.failed
        self.health.judge(
            symptoms,
            now_s=self._means.clock.monotonic_s(),
            well_after_s=0.0 if alone else self._means.well_after_s,
        )
        if self.health.failed != before:
            log.warning("account.health", account=self.live.id, failed=self.health.failed)

    def hold(self, socket: int, modes: Mapping[int, Mode], group: asyncio.TaskGroup) -> None:
        """Have a socket hold exactly this; it is opened where it is not yet."""
        while socket >= len(self.keepers):
            keeper = Keeper(len(self.keepers), self._tools())
            if len(self.keepers) == socket:
                keeper.want(modes)
            self.keepers.append(keeper)
            name = f"socket-{self.live.id}-{keeper.index}"
            supervise(group, keeper.keep(self.closing), name=name, stopping=self.closing)
        self.keepers[socket].want(modes)

    def _tools(self) -> Tools:
        means = self._means
        return Tools(
            settings=means.settings,
            owner=self,
            intake=means.lookout.over(means.arrivals.of(self.live.id)),
            clock=means.clock,
            random=means.random,
            tell_gap=means.gaps.gap,
            account=self.live.id,
            market_clock=means.stillness.clock,
            first=self._first,
            patience=means.patience,
        )


class AccountPool:
    """The accounts that are ours now, in the order of their ids."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._ordinals: dict[str, int] = {}
        self._group: asyncio.TaskGroup | None = None
        self.accounts: dict[str, PooledAccount] = {}
        #: Set when a socket, an account or a lease is in another state.
        self.wake = asyncio.Event()

    def enter(self, group: asyncio.TaskGroup) -> None:
        """Open sockets as tasks of this group from now on."""
        self._group = group

    def own(self, accounts: Mapping[str, LiveAccount]) -> None:
        """Have exactly these accounts; the sockets of others are closed."""
        for name in [name for name in self.accounts if name not in accounts]:
            log.warning("account.given_up", account=name)
            self.accounts.pop(name).closing.set()
        for name in sorted(accounts.keys() - self.accounts.keys()):
            ordinal = self._ordinals.setdefault(name, len(self._ordinals))
            self.accounts[name] = PooledAccount(accounts[name], ordinal, self._means, self.wake)
        self.accounts = dict(sorted(self.accounts.items()))

    def look(self) -> None:
        """Judge every account."""
        well = [each for each in self.accounts.values() if not (each.health.failed or each.lacks)]
        for account in self.accounts.values():
            account.look(alone=all(each is account for each in well))
            failed = bool(account.health.failed or account.lacks)
            metrics.ACCOUNT_USABLE.labels(account.live.id).set(not failed)

    @property
    def usable(self) -> tuple[str, ...]:
        """Return the accounts that may be given instruments."""
        return tuple(
            name
            for name, each in self.accounts.items()
            if not (each.health.failed or (each.lacks and not each.keepers))
        )

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return the accounts that failed but have sockets that go on trying."""
        usable = self.usable
        return tuple(
            name for name, each in self.accounts.items() if each.keepers and name not in usable
        )

    def holding(self) -> Holding:
        """Return what every socket was asked to hold, and what it is subscribed to."""
        keepers = {Seat(name, keeper.index): keeper for name, keeper in self._keepers()}
        return Holding(
            asked={seat: keeper.held for seat, keeper in keepers.items()},
            live={seat: keeper.live for seat, keeper in keepers.items()},
        )

    def hold(self, seating: Mapping[Seat, Mapping[int, Mode]]) -> None:
        """Have the sockets hold exactly this; sockets that are not named stay as they are."""
        assert self._group is not None, "sockets are opened in a group"
        for seat, modes in sorted(seating.items()):
            self.accounts[seat.account].hold(seat.socket, modes, self._group)

    def states(self) -> dict[Seat, str]:
        """Return the state of every socket."""
        return {Seat(name, keeper.index): keeper.state for name, keeper in self._keepers()}

    def troubles(self) -> list[str]:
        """Return a sentence per account that cannot be used."""
        return [
            f"account {name}: {each.health.failed or each.lacks}"
            for name, each in self.accounts.items()
            if each.health.failed or each.lacks
        ]

    def close(self) -> None:
        """Close every socket."""
        for account in self.accounts.values():
            account.closing.set()
        self.wake.set()

    def _keepers(self) -> list[tuple[str, Keeper]]:
        return [(name, keeper) for name, each in self.accounts.items() for keeper in each.keepers]
