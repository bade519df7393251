"""Owns the WebSockets of one account; writes what they say to the streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from ingest import metrics
from ingest.intake import Intake
from ingest.keeper import Keeper, Tools
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.plan import plan
from ingest.registry import Market, Registry
from ingest.settings import IngestSettings
from shared.clock import Clock
from shared.errors import KiteError, MessageError, StreamError
from shared.kite import notices
from shared.kite.codec.route import Router
from shared.kite.data import KiteData
from shared.kite.limits import INSTRUMENTS_PER_SOCKET_MAX, SOCKETS_PER_KEY_MAX
from shared.kite.rest import open_rest
from shared.kite.socket import SocketAccess
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import pause, supervise
from shared.runtime.throttle import Throttle
from shared.streams import client, published
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec
from shared.wire.control import Control, Gap
from shared.wire.reference import LAYOUTS
from shared.wire.ticks import Mode
from shared.wire.topics import CONTROL

RETRY = RetryPolicy(base_s=0.5, factor=2.0, ceiling_s=30.0)
_MODES = {"ltp": Mode.LTP, "quote": Mode.QUOTE, "full": Mode.FULL}
#: A frame shorter than its count is Kite's heartbeat.
HEARTBEAT_BYTES_MAX = 1

log = get_log()


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where everything goes that comes in."""

    ticks: TickOutlet
    gaps: MessageOutlet
    updates: MessageOutlet
    control: StreamWriter
    redis: client.Connection


class IngestWorker:
    """Instruments first, then sockets, for as long as the day is long."""

    def __init__(
        self, settings: IngestSettings, registry: Registry, outlets: Outlets, resources: Resources
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._outlets = outlets
        self._clock: Clock = resources.clock
        self._random = resources.random
        self._market: Market | None = None
        self._keepers: list[Keeper] = []
        self._trouble = "instruments not fetched yet"
        self._drops = Throttle(1.0, clock=resources.clock)
        self._drop_from_ns = self._dropped = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`; then close the sockets and write what was taken in."""
        async with asyncio.TaskGroup() as group:
            for outlet, name in (
                (self._outlets.ticks, "ticks"),
                (self._outlets.gaps, "gaps"),
                (self._outlets.updates, "updates"),
            ):
                supervise(group, outlet.run(stopping), name=name, stopping=stopping)
            supervise(group, self._follow(group, stopping), name="universe", stopping=stopping)
            await stopping.wait()
            for waiting in (self._outlets.ticks, self._outlets.gaps, self._outlets.updates):
                waiting.wake()

    async def ready(self) -> Check:
        """Say whether instruments are published and every socket is open."""
        if self._market is None:
            return Check(ok=False, reason=self._trouble)
        down = [f"socket {k.index} is {k.state}" for k in self._keepers if k.state != "connected"]
        if down or not self._keepers:
            return Check(ok=False, reason="; ".join(down) or "no instrument is wanted")
        return PASSED

    def frame(self, socket: int, frame: bytes, received_at_ns: int) -> None:
        """Take one frame from a socket; nothing here may wait."""
        intake = self._outlets.ticks.intake
        if len(frame) <= HEARTBEAT_BYTES_MAX or intake is None:
            return
        offered = intake.offer(frame, received_at_ns, socket)
        metrics.PACKETS.inc(offered.packets)
        if offered.unknown:
            metrics.LEFT_OUT.labels("unknown_instrument").inc(offered.unknown)
        if offered.damage:
            metrics.DAMAGED.inc()
            if (suppressed := self._drops.admit("damage")) is not None:
                log.warning("frame.damaged", reason=offered.damage, suppressed=suppressed)
        if offered.dropped:
            self._note_drop(offered.dropped, received_at_ns)
        elif self._dropped:
            self._tell_drop(received_at_ns)
        self._outlets.ticks.wake()

    def text(self, socket: int, text: bytes, received_at_ns: int) -> None:
        """Take one text frame: an order update, a complaint, a notice."""
        said = notices.read(text)
        if isinstance(said, notices.OrderUpdate):
            self._outlets.updates.update(self._settings.account.id, said.row, received_at_ns)
        elif isinstance(said, notices.Complaint):
            log.warning("kite.complained", socket=socket, text=said.text)
        elif isinstance(said, notices.Notice):
            log.info("kite.noticed", socket=socket, text=said.text)

    def _note_drop(self, packets: int, at_ns: int) -> None:
        metrics.LEFT_OUT.labels("intake_full").inc(packets)
        self._drop_from_ns = self._drop_from_ns or at_ns
        self._dropped += packets

    def _tell_drop(self, at_ns: int) -> None:
        """Tell, once there is room again, what was lost while there was none."""
        assert self._market is not None, "packets are taken in only once instruments are known"
        gap = Gap(
            from_us=self._drop_from_ns // 1000,
            to_us=at_ns // 1000,
            account=self._settings.account.id,
            socket=-1,
            instrument_tokens=sorted(self._market.tokens),
            cause="intake_full",
            packets_dropped=self._dropped,
        )
        self._outlets.gaps.gap(gap)
        log.warning("intake.was_full", packets_dropped=self._dropped)
        self._drop_from_ns = self._dropped = 0

    async def _follow(self, group: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Fetch and publish instruments, then keep the sockets on what is wanted of them."""
        failures = 0
        options = self._settings.ingest
        load_due_s = 0.0
        while not stopping.is_set():
            try:
                if self._clock.monotonic_s() >= load_due_s:
                    await self._adopt(await self._registry.load())
                    load_due_s = self._clock.monotonic_s() + options.instruments_every_s
                elif await self._registry.recentre():
                    await self._adopt(self._registry.current())
                self._hold(group, stopping)
                failures = 0
            except (KiteError, MessageError, StreamError) as error:
                failures += 1
                self._trouble = str(error)
                log.warning("instruments.trouble", reason=self._trouble)
                await pause(stopping, RETRY.delay_s(failures, self._random.random()))
            else:
                await pause(stopping, options.recentre_every_s)

    async def _adopt(self, market: Market) -> None:
        """Publish what others need to know before a packet of it arrives; then route by it."""
        before = self._market
        if before is None or not np.array_equal(before.instruments, market.instruments):
            market = replace(market, version=await self._publish(market))
            await self._route(market)
        self._market = market

    async def _publish(self, market: Market) -> int:
        """Publish instruments that differ from what is there under a version that is new."""
        redis = self._outlets.redis
        await published.put_layouts(redis, LAYOUTS)
        await published.put_shard_map(redis, market.shard_map)
        version, known = await published.get_instruments(redis)
        if version and np.array_equal(known, market.instruments):
            return version
        version = max(market.version, version + 1)
        await published.put_instruments(redis, version, market.instruments)
        await self._announce(version, len(market.instruments))
        return version

    async def _route(self, market: Market) -> None:
        """Exchange the intake for one that knows these instruments, losing nothing in the old."""
        rows = market.instruments
        tokens, shards = rows["instrument_token"].copy(), rows["shard"].copy()
        router = Router(tokens, shards, market.shard_map.shards)
        intake = Intake(
            router,
            account=self._settings.account.id,
            version=market.version,
            loads_max=self._settings.ingest.buffers,
            epoch=self._clock.now_ns() // 1_000_000_000,
        )
        await self._outlets.ticks.flush()
        self._outlets.ticks.intake = intake

    async def _announce(self, version: int, count: int) -> None:
        changed = Control(
            kind="instruments_changed",
            version=version,
            by="ingest",
            at_us=self._clock.now_ns() // 1000,
        )
        await self._outlets.control.append([Append(CONTROL, "", codec.encode(changed))])
        log.info("instruments.published", version=version, count=count)

    def _hold(self, group: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Give every socket what it should hold; open another only when the others are full."""
        assert self._market is not None, "wants come with instruments"
        planned = plan(self._market.tokens, [keeper.held for keeper in self._keepers])
        if planned.left_out:
            metrics.LEFT_OUT.labels("no_room").inc(0)
            log.warning("instruments.left_out", count=len(planned.left_out))
        for index, tokens in enumerate(planned.sockets):
            if index == len(self._keepers):
                keeper = Keeper(index, self._tools())
                keeper.want(tokens)
                self._keepers.append(keeper)
                name = f"socket-{index}"
                supervise(group, keeper.keep(stopping), name=name, stopping=stopping)
            else:
                self._keepers[index].want(tokens)
        metrics.SUBSCRIBED.set(sum(len(tokens) for tokens in planned.sockets))
        metrics.CAPACITY.set(SOCKETS_PER_KEY_MAX * INSTRUMENTS_PER_SOCKET_MAX)

    def _tools(self) -> Tools:
        settings = self._settings
        return Tools(
            settings=settings.kite,
            access=SocketAccess(settings.account.api_key, settings.account.access_token),
            intake=self,
            clock=self._clock,
            random=self._random,
            tell_gap=self._outlets.gaps.gap,
            account=settings.account.id,
            mode=_MODES[settings.ingest.mode],
        )


async def build(settings: IngestSettings, resources: Resources) -> IngestWorker:
    """Wire the worker."""
    name, account = "ingest", settings.account
    ticks = await resources.enter(
        client.connect(settings.redis.ticks_url, name=name, settings=settings.redis)
    )
    orders = await resources.enter(
        client.connect(settings.redis.orders_url, name=name, settings=settings.redis)
    )
    rest = await resources.enter(
        open_rest(settings.kite, account.api_key, lambda: account.access_token)
    )
    clock = resources.clock
    outlets = Outlets(
        ticks=TickOutlet(StreamWriter(ticks, clock), clock),
        gaps=MessageOutlet(StreamWriter(ticks, clock), clock),
        updates=MessageOutlet(StreamWriter(orders, clock), clock),
        control=StreamWriter(ticks, clock),
        redis=ticks,
    )
    registry = Registry(KiteData(rest), settings.ingest, clock)
    worker = IngestWorker(settings, registry, outlets, resources)
    resources.probe.register("ticks_redis", lambda: client.ping(ticks))
    resources.probe.register("orders_redis", lambda: client.ping(orders))
    resources.probe.register("sockets", worker.ready)
    return worker
