"""The publisher at work: streams to hub, hub to subscribers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from publisher import metrics
from publisher.access.auth import Keyring, read_keyring
from publisher.access.token_feed import TokenKeyFeed
from publisher.access.tokens import TokenKeys
from publisher.api.wiring import Around, Job, wire
from publisher.door.connection import Surroundings
from publisher.door.server import Server
from publisher.door.standing import Standing
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.hub import Hub, HubLimits
from publisher.fanout.warming import warm_up
from publisher.feeds.account_feed import AccountFeed
from publisher.feeds.bar_feed import BarFeed
from publisher.feeds.catalogue import Catalogue, Malformed, Outlet
from publisher.feeds.chain_feed import ChainFeed
from publisher.feeds.tick_feed import TICK_ENTRIES_MAX, Feed, HintFeed, TickFeed
from publisher.feeds.walk_feed import WalkFeed
from publisher.session.desk import Desk, DeskLimits
from publisher.settings import PublisherSection, PublisherSettings
from shared.errors import SettingsError, StreamError
from shared.runtime.logs import Log
from shared.runtime.probe import Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import pause, supervise
from shared.streams.client import Connection, connect, ping
from shared.streams.tails import Tails, tails

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 5.0
#: Seconds between two updates of the gauges.
GAUGES_S = 1.0


class Door(Protocol):
    """A way in: it listens while its block runs."""

    address: str

    def serving(self) -> AbstractAsyncContextManager[object]:
        """Listen while the block runs."""
        ...


class PublisherWorker:
    """Warms up from the last values, lets subscribers in, reads on until told to stop."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        catalogue: Catalogue,
        doors: Sequence[Door],
        desk: Desk,
        *,
        refresh_s: float,
        log: Log,
    ) -> None:
        #: What runs beside; given before it runs.
        self.jobs: Sequence[Job] = ()
        self._feeds = feeds
        self._catalogue = catalogue
        #: Where subscribers come in: our own protocol first.
        self.doors = doors
        self._desk = desk
        self._refresh_s = refresh_s
        self._log = log
        #: Feeds that cannot be read at the moment, with the reason.
        self._away = {feed.name: "not begun" for feed in feeds}

    @property
    def address(self) -> str:
        """Return where subscribers connect, empty before it is known."""
        return self.doors[0].address

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set, then send everybody elsewhere."""
        if not await self._warm(stopping):
            return
        async with asyncio.TaskGroup() as group:
            for feed in self._feeds:
                supervise(group, self._read(feed, stopping), name=feed.name, stopping=stopping)
            supervise(group, self._refresh(stopping), name="refresh", stopping=stopping)
            supervise(group, self._measure(stopping), name="measure", stopping=stopping)
            for job in self.jobs:
                supervise(group, job.run(stopping), name=job.name, stopping=stopping)
            async with contextlib.AsyncExitStack() as doors:
                for door in self.doors:
                    await doors.enter_async_context(door.serving())
                await stopping.wait()

    async def readiness(self) -> Check:
        """Say which streams cannot be read."""
        reasons = [f"{name}: {reason}" for name, reason in self._away.items()]
        return Check(ok=not reasons, reason="; ".join(reasons))

    async def _warm(self, stopping: asyncio.Event) -> bool:
        """Take what is published, the last values, the first read of each stream."""
        delay_s = RETRY_FIRST_S
        while not stopping.is_set():
            try:
                await self._catalogue.refresh(is_forced=True)
                for feed in self._feeds:
                    await feed.begin()
                    self._found(feed)
            except StreamError as error:
                self._log.warning("publisher.warming_failed", reason=str(error))
                await pause(stopping, delay_s)
                delay_s = min(2 * delay_s, RETRY_MAX_S)
            else:
                return True
        return False

    async def _read(self, feed: Feed, stopping: asyncio.Event) -> None:
        delay_s = RETRY_FIRST_S
        while not stopping.is_set():
            try:
                if feed.name in self._away:
                    await feed.begin()
                    self._found(feed)
                await feed.step()
                delay_s = RETRY_FIRST_S
            except StreamError as error:
                self._lost(feed, error)
                await pause(stopping, delay_s)
                delay_s = min(2 * delay_s, RETRY_MAX_S)

    def _found(self, feed: Feed) -> None:
        if self._away.pop(feed.name, None) is not None:
            self._log.info("feed.reading", feed=feed.name)
        self._desk.has_upstream = not self._away

    def _lost(self, feed: Feed, error: StreamError) -> None:
        metrics.UPSTREAM_LOST.labels(feed=feed.name).inc()
        if feed.name not in self._away:
            self._log.warning("feed.lost", feed=feed.name, reason=str(error))
        self._away[feed.name] = str(error)
        self._desk.has_upstream = False

    async def _refresh(self, stopping: asyncio.Event) -> None:
        while not await pause(stopping, self._refresh_s):
            # While Redis is away the feeds say so; the next look will do.
            with contextlib.suppress(StreamError):
                await self._catalogue.refresh()

    async def _measure(self, stopping: asyncio.Event) -> None:
        standing = Standing(self._desk.hub)
        while not await pause(stopping, GAUGES_S):
            standing.look()


async def build(settings: PublisherSettings, resources: Resources) -> PublisherWorker:
    """Wire a publisher.

    Raises:
        SettingsError: a key is malformed, or a URL.
    """
    section, log = settings.publisher, resources.log
    keyring = read_keyring(key.reveal() for key in section.keys)
    resources.probe.is_doing("loading compiled loops, or compiling them, once, for half a minute")
    await asyncio.to_thread(warm_up)
    desk = _desk(section, keyring, epoch=f"{resources.random.getrandbits(64):016x}")
    desk.tokens = read_token_keys(section)
    if not (section.keys or desk.tokens or section.jwt_jwks_url):
        log.warning("publisher.no_keys", hint="nobody can subscribe: set publisher.keys")
    ticks = await resources.enter(
        connect(settings.redis.ticks_url, name="publisher", settings=settings.redis)
    )
    resources.probe.register("redis_ticks", lambda: ping(ticks))
    server = Server(Surroundings(desk, section, resources.clock, resources.random), log)
    outlet = Outlet(desk, server.wake, Malformed(log, resources.clock), resources.clock, log)
    catalogue = Catalogue(ticks, outlet)
    made = _tails(settings, ticks, resources)
    feeds = _tick_feeds(ticks, made, catalogue, outlet, section)
    feeds.append(WalkFeed(outlet, resources.random, block_ms=section.block_ms))
    if section.jwt_jwks_url:
        feeds.append(TokenKeyFeed(desk.tokens, section.jwt_jwks_url, log))
    orders = None
    if section.accounts:
        orders = await resources.enter(
            connect(settings.redis.orders_url, name="publisher", settings=settings.redis)
        )
        resources.probe.register("redis_orders", lambda: ping(orders))
        feeds.append(AccountFeed(orders, outlet, block_ms=section.block_ms))
    doors: list[Door] = [server]
    if section.kite_enabled:
        from publisher.kite.wiring import kite_door, kite_feeds

        door = kite_door(desk.claim, section, resources.clock, log)
        feeds += kite_feeds(
            door, catalogue, outlet.malformed, section, ticks=(ticks, made), orders=orders
        )
        doors.append(door)
    side = await wire(Around(desk, ticks, orders, keyring, settings, resources))
    server.parts = side.parts
    feeds += side.feeds
    worker = PublisherWorker(feeds, catalogue, doors, desk, refresh_s=section.refresh_s, log=log)
    worker.jobs = side.jobs
    resources.probe.register("feeds", worker.readiness)
    return worker


def read_token_keys(section: PublisherSection) -> TokenKeys:
    """Return the keys that tokens may be signed with.

    Raises:
        SettingsError: the secret is too short, or the file is no JWKS.
    """
    keys = TokenKeys(
        secret=section.jwt_secret.reveal(),
        audience=section.jwt_audience,
        issuer=section.jwt_issuer,
    )
    if section.jwt_jwks_file:
        try:
            document = Path(section.jwt_jwks_file).read_text()
        except OSError as error:
            raise SettingsError(f"publisher.jwt_jwks_file: {error.strerror}") from error
        keys.publish(document)
    return keys


def _tails(settings: PublisherSettings, ticks: Connection, resources: Resources) -> Tails:
    return tails(
        (settings.ticks, settings.kafka),
        ticks,
        clock=resources.clock,
        block_ms=settings.publisher.block_ms,
        name="publisher",
        stack=resources.stack,
    )


def _tick_feeds(
    ticks: Connection,
    made: Tails,
    catalogue: Catalogue,
    outlet: Outlet,
    section: PublisherSection,
) -> list[Feed]:
    block_ms = section.block_ms
    back_s = max(section.overlap_s, section.resume_s)
    return [
        TickFeed(ticks, catalogue, outlet, reader=made(TICK_ENTRIES_MAX), overlap_s=back_s),
        HintFeed(ticks, catalogue, outlet, block_ms=block_ms),
        ChainFeed(ticks, outlet, block_ms=block_ms),
        BarFeed(ticks, catalogue, outlet, block_ms=block_ms),
    ]


def _desk(section: PublisherSection, keyring: Keyring, *, epoch: str) -> Desk:
    hub = Hub(
        HubLimits(
            subscribers_max=section.connections_max,
            instruments_max=section.instruments_max,
            queue_bytes_max=section.queue_bytes_max,
            message_bytes_max=section.message_bytes_max,
            flow_bytes_max=section.flow_bytes_max,
            history_bytes_max=section.history_bytes_max,
        ),
        DIALECTS,
    )
    limits = DeskLimits(
        connections_per_key_max=section.connections_per_key_max,
        instruments_per_connection_max=section.instruments_per_connection_max,
        requests_per_minute_max=section.requests_per_minute_max,
        message_bytes_max=section.message_bytes_max,
        heartbeat_s=section.heartbeat_s,
    )
    return Desk(hub, keyring, accounts=section.accounts, limits=limits, epoch=epoch)
