"""Owns the WebSockets of one account; writes what they say to the streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from ingest import metrics
from ingest.arrivals import Arrivals
from ingest.keeper import PATIENCE, Keeper, Patience, Tools
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.plan import Pool, Seat, plan
from ingest.publication import Publication
from ingest.registry import Market, Registry
from ingest.settings import IngestSettings
from shared.clock import Clock
from shared.errors import KiteError, MessageError, StreamError
from shared.kite.limits import INSTRUMENTS_PER_SOCKET_MAX, SOCKETS_PER_KEY_MAX
from shared.kite.socket import SocketAccess
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import pause, supervise
from shared.wire.ticks import Mode

RETRY = RetryPolicy(base_s=0.5, factor=2.0, ceiling_s=30.0)
#: How often it is asked whether the publication is still there, or something else is due.
LOOK_EVERY_S = 2.0

log = get_log()


@dataclass(frozen=True, slots=True)
class Parts:
    """What the worker is wired from."""

    ticks: TickOutlet
    gaps: MessageOutlet
    updates: MessageOutlet
    arrivals: Arrivals
    publication: Publication
    registry: Registry
    patience: Patience = PATIENCE

    @property
    def outlets(self) -> dict[str, TickOutlet | MessageOutlet]:
        """Return what writes, by name."""
        return {"ticks": self.ticks, "gaps": self.gaps, "updates": self.updates}


class IngestWorker:
    """Instruments first, then sockets, for as long as the day is long."""

    def __init__(self, settings: IngestSettings, parts: Parts, resources: Resources) -> None:
        self._settings = settings
        self._parts = parts
        self._clock: Clock = resources.clock
        self._random = resources.random
        self._market: Market | None = None
        self._keepers: list[Keeper] = []
        self._left_out = 0
        self._trouble = "instruments not fetched yet"
        self._recentre_due_s = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`; then close the sockets, after them write what was taken in."""
        closed = asyncio.Event()
        async with asyncio.TaskGroup() as outlets:
            for name, outlet in self._parts.outlets.items():
                supervise(outlets, outlet.run(closed), name=name, stopping=closed)
            async with asyncio.TaskGroup() as sockets:
                follow = self._follow(sockets, stopping)
                supervise(sockets, follow, name="universe", stopping=stopping)
            self._parts.arrivals.tell_drops()
            closed.set()
            for outlet in self._parts.outlets.values():
                outlet.wake()

    async def ready(self) -> Check:
        """Say whether instruments are published and every socket is open."""
        if self._market is None:
            return Check(ok=False, reason=self._trouble)
        down = [f"socket {k.index} is {k.state}" for k in self._keepers if k.state != "connected"]
        if down or not self._keepers:
            return Check(ok=False, reason="; ".join(down) or "no instrument is wanted")
        return PASSED

    async def writes(self) -> Check:
        """Say whether Redis takes what comes in."""
        outlets = self._parts.outlets.items()
        refused = [f"{name}: {outlet.trouble}" for name, outlet in outlets if outlet.trouble]
        return Check(ok=False, reason="; ".join(refused)) if refused else PASSED

    async def _follow(self, sockets: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Fetch and publish instruments, then keep the sockets on what is wanted of them."""
        failures = 0
        while not stopping.is_set():
            try:
                await self._look()
                self._hold(sockets, stopping)
                failures = 0
            except (KiteError, MessageError, StreamError) as error:
                failures += 1
                self._trouble = str(error)
                log.warning("instruments.trouble", reason=self._trouble)
                await pause(stopping, RETRY.delay_s(failures, self._random.random()))
            else:
                await pause(stopping, min(LOOK_EVERY_S, self._settings.ingest.recentre_every_s))

    async def _look(self) -> None:
        """Do what is due: a dump, the money, the publication.

        Raises:
            KiteError: Kite did not answer.
            MessageError: its dump is none.
            StreamError: Redis refused or vanished.
        """
        options, registry = self._settings.ingest, self._parts.registry
        now_s = self._clock.monotonic_s()
        if self._market is None:
            registry.resume(*await self._parts.publication.before())
            await self._adopt(await registry.begin())
        elif (market := await registry.reload()) is not None:
            await self._adopt(market)
        else:
            await self._parts.publication.restore()
        if now_s >= self._recentre_due_s:
            self._recentre_due_s = now_s + options.recentre_every_s
            if await registry.recentre():
                await self._adopt(registry.current())
        await self._parts.publication.tell_windows(registry.moved)

    async def _adopt(self, market: Market) -> None:
        """Publish what others need to know before a packet of it arrives; then route by it."""
        before = self._market
        if before is None or not np.array_equal(before.instruments, market.instruments):
            version = await self._parts.publication.publish(market)
            market = replace(market, version=version)
            buffers = self._settings.ingest.buffers
            prepared = self._parts.arrivals.prepared
            intake = await asyncio.to_thread(prepared, market, version, buffers=buffers)
            self._parts.ticks.exchange(intake)
        self._market = market

    def _hold(self, sockets: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Give every socket what it should hold; open another only when the others are full."""
        assert self._market is not None, "wants come with instruments"
        account = self._settings.account.id
        before = {Seat(account, keeper.index): keeper.held for keeper in self._keepers}
        planned = plan(self._market.tokens, Pool((account,)), before)
        if len(planned.left_out) != self._left_out:
            self._left_out = len(planned.left_out)
            log.warning("instruments.left_out", count=self._left_out)
        for index in range(max([len(self._keepers), *(s.socket + 1 for s in planned.seating)])):
            tokens = planned.seating.get(Seat(account, index), frozenset())
            if index == len(self._keepers):
                keeper = Keeper(index, self._tools())
                keeper.want(tokens)
                self._keepers.append(keeper)
                name = f"socket-{index}"
                supervise(sockets, keeper.keep(stopping), name=name, stopping=stopping)
            else:
                self._keepers[index].want(tokens)
        metrics.SUBSCRIBED.set(sum(len(tokens) for tokens in planned.seating.values()))
        metrics.NO_ROOM.set(len(planned.left_out))
        metrics.CAPACITY.set(SOCKETS_PER_KEY_MAX * INSTRUMENTS_PER_SOCKET_MAX)

    def _tools(self) -> Tools:
        settings = self._settings
        return Tools(
            settings=settings.kite,
            access=SocketAccess(settings.account.api_key, settings.account.access_token),
            intake=self._parts.arrivals,
            clock=self._clock,
            random=self._random,
            tell_gap=self._parts.gaps.gap,
            account=settings.account.id,
            mode=Mode[settings.ingest.mode.upper()],
            patience=self._parts.patience,
        )
