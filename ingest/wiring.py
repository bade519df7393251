"""The worker put together from its settings."""

from __future__ import annotations

from ingest import metrics
from ingest.arrivals import Arrivals
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.publication import Publication
from ingest.registry import Registry
from ingest.settings import IngestSettings
from ingest.worker import IngestWorker, Parts
from shared.kite.data import KiteData
from shared.kite.rest import open_rest
from shared.runtime.resources import Resources
from shared.streams import client
from shared.streams.writer import StreamWriter


async def build(settings: IngestSettings, resources: Resources) -> IngestWorker:
    """Wire the worker."""
    name, account, clock = "ingest", settings.account, resources.clock
    redis = [
        await resources.enter(client.connect(url, name=name, settings=settings.redis))
        for url in (settings.redis.ticks_url, settings.redis.orders_url)
    ]
    rest = await resources.enter(
        open_rest(settings.kite, account.api_key, lambda: account.access_token)
    )
    ticks, orders = redis
    outlet = TickOutlet(StreamWriter(ticks, clock), clock)
    gaps = MessageOutlet(StreamWriter(ticks, clock), clock)
    updates = MessageOutlet(StreamWriter(orders, clock), clock)
    parts = Parts(
        ticks=outlet,
        gaps=gaps,
        updates=updates,
        arrivals=Arrivals(account.id, outlet, gaps, updates, clock),
        publication=Publication(ticks, clock),
        registry=Registry(KiteData(rest), settings.ingest, clock),
    )
    worker = IngestWorker(settings, parts, resources)
    metrics.WAITING_BYTES.set_function(lambda: outlet.waiting_bytes)
    resources.probe.register("ticks_redis", lambda: client.ping(ticks))
    resources.probe.register("orders_redis", lambda: client.ping(orders))
    resources.probe.register("sockets", worker.ready)
    resources.probe.register("writes", worker.writes)
    return worker
