"""The worker put together from its settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ingest import metrics
from ingest.arrivals import Arrivals
from ingest.deltas import LastDeltas
from ingest.lookout import Lookout
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.pool import AccountPool, Means
from ingest.publication import Publication
from ingest.reconciler import Reconciler, Room
from ingest.registry import Registry
from ingest.settings import IngestSettings
from ingest.shelf import LateShelf
from ingest.silence import Expectation
from ingest.spokesman import Spokesman
from ingest.stillness import Stillness
from ingest.sweep import QUOTE_WINDOWS, Sweeper
from ingest.sweep import Means as SweepMeans
from ingest.tables import LateTableSource
from ingest.tenancy import Tenancy
from ingest.uncovered import Uncovered
from ingest.vital_signs import VitalSigns
from ingest.wants import WantsBook
from ingest.weighing import CountedPackets
from ingest.worker import IngestWorker, Parts
from shared.accounts.book import AccountBook, Around, sources_of
from shared.clock import Clock
from shared.errors import SettingsError
from shared.kite.data import KiteData
from shared.kite.rest import open_rest
from shared.market.calendar import Calendar
from shared.runtime.market_calendar import calendar_of
from shared.runtime.resources import Resources
from shared.secret import Secret
from shared.store.accounts_vault import Vault
from shared.store.late_pool import LatePool
from shared.streams import client
from shared.streams.client import Connection
from shared.streams.kafka_settings import check
from shared.streams.kafka_writer import open_writer
from shared.streams.limiter import RateLimiter
from shared.streams.writer import StreamWriter, Writer


@dataclass(frozen=True, slots=True)
class Watched:
    """What tells a sweeper of gaps, of who ticked since, of the instruments there are."""

    lookout: Lookout
    publication: Publication
    gaps: MessageOutlet
    calendar: Calendar
    clock: Clock


async def build(settings: IngestSettings, resources: Resources) -> IngestWorker:
    """Wire the worker.

    Raises:
        SettingsError: no source of accounts is named.
    """
    clock = resources.clock
    ticks, orders = [
        await resources.enter(client.connect(url, name="ingest", settings=settings.redis))
        for url in (settings.redis.ticks_url, settings.redis.orders_url)
    ]
    tables = LatePool(settings.postgres, resources.stack) if settings.postgres.url else None
    book = await _book(settings, tables, ticks, resources)
    raw = await _raw_writer(settings, ticks, resources)
    outlet = TickOutlet(raw, clock, gap_s=settings.ingest.write_gap_ms / 1000)
    gaps = MessageOutlet(StreamWriter(ticks, clock), clock)
    updates = MessageOutlet(StreamWriter(orders, clock), clock)
    account = _account(settings, book)
    arrivals = Arrivals(account, outlet, gaps, updates, clock)
    rest = await resources.enter(open_rest(settings.kite, "", partial(Secret, "")))
    options, lookout, publication = settings.ingest, Lookout(), Publication(ticks, clock)
    calendar, kite = calendar_of(settings.market), KiteData(rest)
    watched = Watched(lookout, publication, gaps, calendar, clock)
    registry = Registry(
        kite, options, clock, calendar=calendar, prices=lookout, shelf=_shelf(tables)
    )
    registry.go_by(LastDeltas(ticks, clock))
    registry.weigh_by(CountedPackets(ticks))
    sweeper = Sweeper(account, _sweeping(kite, orders, raw, watched))
    pool = AccountPool(_means(settings, (arrivals, sweeper), watched, resources))
    room = Room(options.headroom, options.mode_dwell_s)
    parts = Parts(
        ticks=outlet,
        gaps=gaps,
        updates=updates,
        arrivals=arrivals,
        publication=publication,
        registry=registry,
        sweeper=sweeper,
        accounts=book,
        tenancy=Tenancy(ticks, owner=_owner(settings), ttl_s=options.lease_s, clock=clock),
        pool=pool,
        wants=WantsBook(tables, ticks, pool.wake, poll_s=options.wants_poll_s, clock=clock),
        reconciler=Reconciler(pool, room, Uncovered(sweeper.gap, account), clock),
        spokesman=Spokesman(rest, pool),
        redis=ticks,
        vital_signs=VitalSigns(ticks, calendar, clock),
    )
    worker = IngestWorker(settings, parts, resources)
    _show(worker, {"ticks_redis": ticks, "orders_redis": orders}, resources)
    return worker


def _means(
    settings: IngestSettings,
    hearers: tuple[Arrivals, Sweeper],
    watched: Watched,
    resources: Resources,
) -> Means:
    expected = Expectation(liquid_s=settings.ingest.market_silence_s)
    return Means(
        settings=settings.kite,
        arrivals=hearers[0],
        gaps=hearers[1],
        lookout=watched.lookout,
        stillness=Stillness(watched.calendar, expected, lambda: watched.publication.market),
        clock=watched.clock,
        random=resources.random,
        well_after_s=settings.ingest.give_back_s,
    )


def _show(worker: IngestWorker, streams: Mapping[str, Connection], resources: Resources) -> None:
    metrics.WAITING_BYTES.set_function(worker.waiting_bytes)
    for name, redis in streams.items():
        resources.probe.register(name, partial(client.ping, redis))
    resources.probe.register("sockets", worker.ready)
    resources.probe.register("writes", worker.writes)


async def _raw_writer(settings: IngestSettings, ticks: Connection, resources: Resources) -> Writer:
    """Return who writes raw ticks, into the log that is chosen."""
    if not check(settings.ticks, settings.kafka):
        return StreamWriter(ticks, resources.clock)
    opened = open_writer(
        settings.kafka, resources.clock, name="ingest", partitions_min=settings.ingest.shards
    )
    writer = await resources.enter(opened)
    resources.probe.register("kafka", writer.ping)
    return writer


def _sweeping(kite: KiteData, orders: Connection, raw: Writer, watched: Watched) -> SweepMeans:
    return SweepMeans(
        kite=kite,
        limiter=RateLimiter(orders, QUOTE_WINDOWS),
        writer=raw,
        lookout=watched.lookout,
        clock=watched.clock,
        tell_gap=watched.gaps.gap,
        market=lambda: watched.publication.market,
    )


def _shelf(tables: LatePool | None) -> LateShelf | None:
    return None if tables is None else LateShelf(tables)


async def _book(
    settings: IngestSettings, tables: LatePool | None, ticks: Connection, resources: Resources
) -> AccountBook:
    """Return the accounts, every source asked once."""
    sources = sources_of(settings.accounts, settings.account, None, resources.clock)
    if tables is not None:
        sources.append(LateTableSource(tables, partial(Vault, settings.accounts.encryption_keys)))
    if not settings.account.id and len(sources) == 1:
        raise SettingsError(
            "no account: set account.id, accounts.file or postgres.url; sockets belong to one"
        )
    around = Around(clock=resources.clock, log=resources.log, random=resources.random, ticks=ticks)
    book = AccountBook(sources, poll_s=settings.accounts.poll_s, around=around)
    await book.refresh()
    return book


def _account(settings: IngestSettings, book: AccountBook) -> str:
    """Return whose frames an entry holds: the one account, "" where there may be several."""
    named = settings.ingest.accounts or tuple(book.accounts)
    return named[0] if len(named) == 1 else ""


def _owner(settings: IngestSettings) -> str:
    return settings.ingest.name or f"{socket.gethostname()}-{os.getpid()}"
