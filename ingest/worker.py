"""Owns the WebSockets of its accounts; writes what they say to the streams."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ingest.arrivals import Arrivals
from ingest.layout import Teller, subscriptions
from ingest.modes import Want
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.pool import AccountPool
from ingest.publication import Publication
from ingest.reconciler import Reconciler
from ingest.registry import Market, Registry
from ingest.settings import IngestSettings
from ingest.spokesman import Spokesman
from ingest.sweep import Sweeper
from ingest.tenancy import Tenancy
from ingest.vital_signs import VitalSigns
from ingest.wants import Names, WantsBook, of_rows, of_settings
from shared.accounts.book import AccountBook
from shared.clock import Clock
from shared.errors import KiteError, MessageError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import pause, supervise
from shared.streams.client import Connection
from shared.wire.subscriptions import Subscriptions
from shared.wire.ticks import Mode

RETRY = RetryPolicy(base_s=0.5, factor=2.0, ceiling_s=30.0)
#: How often it is asked whether the publication is still there, or something else is due.
LOOK_EVERY_S = 2.0
#: How often the sockets are looked at without any news; with news at most so often.
CONVERGE_EVERY_S, CONVERGE_GAP_S = 0.5, 0.05
#: Renewals of a lease before it ends, if all but one fail.
RENEWALS = 3

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
    sweeper: Sweeper
    accounts: AccountBook
    tenancy: Tenancy
    pool: AccountPool
    wants: WantsBook
    reconciler: Reconciler
    spokesman: Spokesman
    redis: Connection
    vital_signs: VitalSigns

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
        self._names: Names | None = None
        self._wanted: list[Want] = []
        self._wanted_of: Market | None = None
        self._unlisted: list[str] = []
        self._trouble = "instruments not fetched yet"
        self._recentre_due_s = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`; then close the sockets, after them write what was taken in."""
        closed = asyncio.Event()
        async with asyncio.TaskGroup() as outlets:
            for name, outlet in self._parts.outlets.items():
                supervise(outlets, outlet.run(closed), name=name, stopping=closed)
            async with asyncio.TaskGroup() as sockets:
                self._parts.pool.enter(sockets)
                for name, task in self._tasks(stopping).items():
                    supervise(sockets, task, name=name, stopping=stopping)
            self._parts.reconciler.end()
            await self._give_up_leases()
            self._parts.arrivals.tally()
            self._parts.arrivals.tell_drops()
            closed.set()
            for outlet in self._parts.outlets.values():
                outlet.wake()

    async def ready(self) -> Check:
        """Say whether instruments are published and every socket that holds any is open."""
        pool, tenancy = self._parts.pool, self._parts.tenancy
        if tenancy.planner:
            return Check(ok=True, reason=_standing_by(tenancy))
        if not pool.accounts:
            held = [f"{name} is held by {other}" for name, other in tenancy.others.items()]
            return Check(ok=False, reason="; ".join(["no account is ours", *held]))
        if self._market is None:
            return Check(ok=False, reason="; ".join([self._trouble, *pool.troubles()]))
        states = pool.states()
        needed = [seat for seat, tokens in self._parts.reconciler.plan.seating.items() if tokens]
        down = [
            f"socket {seat.socket} of {seat.account} is {states.get(seat, 'not there yet')}"
            for seat in sorted(needed)
            if states.get(seat) != "connected"
        ]
        if down or not needed:
            reasons = [*pool.troubles(), *down] or ["no instrument is wanted"]
            return Check(ok=False, reason="; ".join(reasons))
        return Check(ok=True, reason="; ".join(pool.troubles())) if pool.troubles() else PASSED

    def waiting_bytes(self) -> float:
        """Return the bytes of ticks that are not written yet."""
        return float(self._parts.ticks.waiting_bytes)

    async def writes(self) -> Check:
        """Say whether Redis takes what comes in."""
        outlets = self._parts.outlets.items()
        refused = [f"{name}: {outlet.trouble}" for name, outlet in outlets if outlet.trouble]
        return Check(ok=False, reason="; ".join(refused)) if refused else PASSED

    def _tasks(self, stopping: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
        return {
            "accounts": self._parts.accounts.run(stopping),
            "leases": self._keep_leases(stopping),
            "universe": self._follow(stopping),
            "wants": self._parts.wants.run(stopping),
            "sweeper": self._parts.sweeper.run(stopping),
            "reconciler": self._converge(stopping),
            "closing": self._close(stopping),
            "vital signs": self._parts.vital_signs.run(stopping),
            "layout": Teller(self._parts.redis, self._layout, self._clock).run(stopping),
        }

    def _layout(self) -> Subscriptions:
        pool, reconciler = self._parts.pool, self._parts.reconciler
        return subscriptions(pool, reconciler, self._unlisted, self._parts.tenancy.owner)

    async def _keep_leases(self, stopping: asyncio.Event) -> None:
        """Have the accounts that are known, enabled and nobody else's."""
        options, tenancy = self._settings.ingest, self._parts.tenancy
        while not stopping.is_set():
            known = self._parts.accounts.accounts
            wanted = [
                name
                for name, account in sorted(known.items())
                if account.is_enabled and name in (options.accounts or known)
            ]
            try:
                await tenancy.keep(wanted)
            except StreamError as error:
                log.warning("leases.unknown", reason=str(error))
            self._parts.pool.own({name: known[name] for name in wanted if name in tenancy.held})
            self._parts.pool.wake.set()
            await pause(stopping, options.lease_s / RENEWALS)

    async def _give_up_leases(self) -> None:
        try:
            await self._parts.tenancy.release()
        except StreamError as error:
            log.warning("leases.not_released", reason=str(error))

    async def _converge(self, stopping: asyncio.Event) -> None:
        """Keep the sockets on what is wanted."""
        wake = self._parts.pool.wake
        while not stopping.is_set():
            wake.clear()
            self._parts.arrivals.tally()
            self._parts.spokesman.choose()
            if self._market is not None:
                self._hold(self._market)
            with suppress(TimeoutError):
                async with asyncio.timeout(CONVERGE_EVERY_S):
                    await wake.wait()
            await pause(stopping, CONVERGE_GAP_S)

    async def _close(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._parts.pool.close()

    async def _follow(self, stopping: asyncio.Event) -> None:
        """Fetch and publish instruments, then follow what is wanted of them."""
        failures = 0
        while not stopping.is_set():
            if not self._parts.pool.accounts:
                await pause(stopping, CONVERGE_EVERY_S)
                continue
            try:
                await self._look()
                self._parts.pool.wake.set()
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
            self._names = Names(market)
        self._market = market

    def _hold(self, market: Market) -> None:
        """Take a step towards what settings and PostgreSQL want of these instruments."""
        options, rows = self._settings.ingest, self._parts.wants.rows()
        if self._wanted_of is not market:
            # Thousands of objects, made once a market rather than at every look.
            wants = of_settings(market.tokens, Mode[options.mode.upper()], options.priority)
            self._wanted, self._wanted_of = wants, market
        others, unlisted = of_rows(rows, self._names) if self._names else ([], [])
        if unlisted != self._unlisted:
            self._unlisted = unlisted
            log.warning("wants.unlisted", count=len(unlisted), first=unlisted[:10])
        self._parts.reconciler.converge([*self._wanted, *others], (market.tokens, others))


def _standing_by(tenancy: Tenancy) -> str:
    """Say who works, and what of ours it does not know of."""
    said = f"standing by: {tenancy.planner} plans the pool of accounts"
    if not tenancy.idle:
        return said
    return f"{said}, but not with {', '.join(tenancy.idle)}: name them to it as well"
