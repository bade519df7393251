"""Builds one account's executor out of settings."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import Final

from redis.asyncio import Redis

from executor.backlog import Backlog
from executor.broker import Broker, KiteBroker
from executor.crash import CrashHook, never
from executor.decide import Limits
from executor.desk import Desk
from executor.dispatch import Dispatcher
from executor.gate import Bar, Gate
from executor.handler import Handler
from executor.instruments import Instruments
from executor.intake import Intake
from executor.knowledge import Knowledge
from executor.pace import Pace, windows
from executor.publishing import Publisher
from executor.reconcile import Reconciler
from executor.seating import Seating
from executor.settings import BehaviourSettings, ExecutorSettings, check
from executor.steady import Patience
from executor.updates import Updates
from executor.worker import ExecutorWorker, Parts
from shared.kite.orders import KiteOrders
from shared.kite.rest import open_rest
from shared.kite.session import KiteSessions
from shared.resilience.retry import RetryPolicy
from shared.runtime.resources import Resources
from shared.store.journal import Journal
from shared.store.migrate import migrate
from shared.store.pool import Pool, open_pool
from shared.streams.client import connect, ping
from shared.streams.limiter import RateLimiter
from shared.streams.reader import GroupReader
from shared.streams.writer import StreamWriter
from shared.wire.topics import COMMANDS, UPDATES, Topic

DRAIN_TIMEOUT_S: Final = 25
#: The group, and the one consumer in it: the seat lets one executor read for an account.
GROUP: Final = "executor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything an executor talks to."""

    pool: Pool
    orders_redis: Redis
    ticks_redis: Redis
    broker: Broker


async def build(
    settings: ExecutorSettings, resources: Resources, crash_point: CrashHook = never
) -> ExecutorWorker:
    """Enter what the executor talks to, bring the tables up to date, wire the worker.

    Raises:
        SettingsError: settings that are each fine alone do not fit together.
        StoreError: PostgreSQL is away.
        LocalError: PostgreSQL could lose commits, or its tables are of another release.
    """
    check(settings)
    account = settings.account
    rest = await resources.enter(
        open_rest(settings.kite, account.api_key, lambda: account.access_token)
    )
    outside = Outside(
        pool=await resources.enter(open_pool(settings.postgres)),
        orders_redis=await _redis(settings, resources, "orders"),
        ticks_redis=await _redis(settings, resources, "ticks"),
        broker=KiteBroker(KiteOrders(rest), KiteSessions(rest)),
    )
    await migrate(outside.pool)
    resources.probe.register("postgres", outside.pool.ping)
    resources.probe.register("redis_orders", partial(ping, outside.orders_redis))
    gate = Gate()
    for bar in Bar:
        resources.probe.register(bar.value, partial(gate.check, bar))
    return wire(settings, outside, resources, gate, crash_point)


def wire(
    settings: ExecutorSettings,
    outside: Outside,
    resources: Resources,
    gate: Gate,
    crash_point: CrashHook,
) -> ExecutorWorker:
    """Put the parts together; nothing is opened."""
    desk, instruments = _desk(settings, outside, resources, gate, crash_point)
    behaviour, clock, work, backlog = settings.executor, resources.clock, asyncio.Event(), Backlog()
    read = partial(_reader, outside.orders_redis, settings)
    writer = StreamWriter(outside.orders_redis, clock)
    parts = Parts(
        desk=desk,
        backlog=backlog,
        seating=Seating(pool=outside.pool, desk=desk, owner=_owner(), behaviour=behaviour),
        intake=Intake(reader=read(COMMANDS), desk=desk, backlog=backlog, work=work),
        updates=Updates(reader=read(UPDATES), desk=desk, backlog=backlog, work=work),
        dispatcher=Dispatcher(
            desk=desk, backlog=backlog, handler=Handler(desk), behaviour=behaviour, work=work
        ),
        reconciler=Reconciler(
            desk=desk, backlog=backlog, behaviour=behaviour, updates=writer, work=work
        ),
        publisher=Publisher(desk=desk, writer=writer, events_max=behaviour.events_published_max),
        instruments=instruments,
        work=work,
        backlog_max=behaviour.backlog_max,
    )
    return ExecutorWorker(parts)


def _desk(
    settings: ExecutorSettings,
    outside: Outside,
    resources: Resources,
    gate: Gate,
    crash_point: CrashHook,
) -> tuple[Desk, Instruments]:
    account, behaviour, stopping = settings.account.id, settings.executor, asyncio.Event()
    journal = Journal(outside.pool, account)
    instruments = Instruments(outside.ticks_redis, resources.log)
    limiter = RateLimiter(outside.orders_redis, windows(behaviour))
    desk = Desk(
        account=account,
        journal=journal,
        broker=outside.broker,
        knowledge=Knowledge(journal=journal, limits=_limits(behaviour), instruments=instruments),
        pace=Pace(limiter, account, resources.clock, stopping),
        patience=Patience(gate, _policy(behaviour), resources.random, resources.log),
        clock=resources.clock,
        attempts_max=behaviour.attempts_max,
        attempt_gap_s=behaviour.attempt_gap_s,
        crash_point=crash_point,
        stopping=stopping,
    )
    return desk, instruments


async def _redis(settings: ExecutorSettings, resources: Resources, kind: str) -> Redis:
    url = settings.redis.orders_url if kind == "orders" else settings.redis.ticks_url
    name = f"executor-{settings.account.id}"
    return await resources.enter(connect(url, name=name, settings=settings.redis))


def _reader(redis: Redis, settings: ExecutorSettings, topic: Topic) -> GroupReader:
    behaviour = settings.executor
    return GroupReader(
        redis,
        [topic.name(settings.account.id)],
        GROUP,
        GROUP,
        count_max=behaviour.commands_read_max,
        block_ms=behaviour.read_block_ms,
    )


def _limits(behaviour: BehaviourSettings) -> Limits:
    return Limits(
        placements_per_day_max=behaviour.placements_per_day_max,
        modifications_max=behaviour.modifications_max,
        target_wait_us=round(behaviour.target_wait_s * 1e6),
    )


def _policy(behaviour: BehaviourSettings) -> RetryPolicy:
    return RetryPolicy(base_s=behaviour.retry_s_min, ceiling_s=behaviour.retry_s_max)


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
