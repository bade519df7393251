"""Builds one account's executor out of settings."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from executor.account import HeldAccount
from executor.backlog import Backlog
from executor.broker import Broker, KiteBroker
from executor.circuit import Circuit
from executor.crash import CrashHook, never
from executor.decide import Limits
from executor.desk import Desk
from executor.dispatch import Dispatcher
from executor.egress import Egress
from executor.express import Express
from executor.gate import Bar, Gate
from executor.handler import Handler
from executor.hints import Hints
from executor.housekeeping import Count, Housekeeping
from executor.instruments import Instruments
from executor.intake import Intake
from executor.knowledge import Knowledge, Sources
from executor.missed import MissedUpdates
from executor.pace import Pace, windows
from executor.postbacks import Postbacks
from executor.publishing import Publisher
from executor.queries import Queries
from executor.query_call import Reading
from executor.query_turns import Turns
from executor.query_turns import windows as read_windows
from executor.quotes import Quotes
from executor.reconcile import Reconciler
from executor.risk import Risk
from executor.runaway import Runaway, RunawayLimits
from executor.seating import Seating
from executor.settings import BehaviourSettings, ExecutorSettings, check, has_hours
from executor.skew import Skew
from executor.steady import Patience
from executor.syncing import Syncing
from executor.updates import Updates
from executor.watchdog import Watchdog
from executor.worker import ExecutorWorker, Parts
from shared.accounts.book import AccountBook, Around, sources_of
from shared.kite.egress import public_address
from shared.kite.orders import KiteOrders
from shared.kite.portfolio import KitePortfolio
from shared.kite.reads import KiteReads
from shared.kite.rest import KiteRest
from shared.kite.session import KiteSessions
from shared.kite.writes import KiteWrites
from shared.resilience.breaker import Breaker, BreakerPolicy
from shared.resilience.retry import RetryPolicy
from shared.runtime.market_calendar import calendar_of
from shared.runtime.resources import Resources
from shared.store.journal import Journal
from shared.store.migrate import migrate
from shared.store.pool import Pool, open_pool
from shared.streams.answering import REPLY_BYTES_MAX, put_reply
from shared.streams.client import Connection, connect, ping
from shared.streams.hygiene import depth, trim_taken
from shared.streams.limiter import RateLimiter
from shared.streams.published import get_instruments, get_instruments_version, get_last_of
from shared.streams.reader import GroupReader, TailReader
from shared.streams.writer import StreamWriter
from shared.wire.topics import COMMANDS, CONTROL, POSTBACKS, QUERIES, UPDATES, dead

DRAIN_TIMEOUT_S: Final = 25
#: The group, and the one consumer in it: the seat lets one executor read for an account.
GROUP: Final = "executor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything an executor talks to."""

    pool: Pool
    account: HeldAccount
    broker: Broker
    limiter: RateLimiter
    skew: Skew
    commands: GroupReader
    updates: GroupReader
    postbacks: Callable[..., Postbacks]
    hints: TailReader
    writer: StreamWriter
    control: StreamWriter
    instruments: Instruments
    quotes: Quotes
    trim: Callable[[], Awaitable[int]]
    dead: dict[str, Count]
    queries: Callable[..., Queries]


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
    gate = Gate()
    outside = await _enter(settings, resources, gate)
    for bar in Bar:
        resources.probe.register(bar.value, partial(gate.check, bar))
    desk = _desk(settings, outside, resources, gate, crash_point)
    return ExecutorWorker(_parts(settings.executor, outside, desk))


async def _enter(settings: ExecutorSettings, resources: Resources, gate: Gate) -> Outside:
    account, redis = settings.account, settings.redis
    pool = await resources.enter(open_pool(settings.postgres))
    await migrate(pool)
    name = f"executor-{account.id}"
    ticks = await resources.enter(connect(redis.ticks_url, name=name, settings=redis))
    orders = await resources.enter(connect(redis.orders_url, name=name, settings=redis))
    held = await _account(settings, pool, ticks, resources)
    rest = await held.enter_rest(settings.kite, resources)
    rest.listener = skew = Skew(
        clock=resources.clock, gate=gate, skew_s_max=settings.executor.clock_skew_s_max
    )
    resources.probe.register("postgres", pool.ping)
    resources.probe.register("redis_orders", partial(ping, orders))
    read = partial(
        GroupReader,
        group=GROUP,
        consumer=GROUP,
        count_max=settings.executor.commands_read_max,
        block_ms=settings.executor.read_block_ms,
    )
    instruments, quotes = _prices(settings, resources, ticks)
    return Outside(
        pool=pool,
        account=held,
        broker=_broker(rest),
        limiter=RateLimiter(orders, windows(settings.executor)),
        skew=skew,
        commands=read(orders, [COMMANDS.name(account.id)]),
        updates=read(orders, [UPDATES.name(account.id)]),
        postbacks=partial(
            Postbacks,
            reader=read(orders, [POSTBACKS.name(account.id)]),
            api_secret=held.api_secret,
        ),
        hints=TailReader(ticks, {CONTROL.name(): "$"}, block_ms=settings.executor.read_block_ms),
        writer=StreamWriter(orders, resources.clock),
        control=StreamWriter(ticks, resources.clock),
        trim=partial(trim_taken, orders, COMMANDS.name(account.id)),
        dead=_dead(orders, account.id),
        queries=await _queries(settings, resources, orders, held),
        instruments=instruments,
        quotes=quotes,
    )


async def _account(
    settings: ExecutorSettings, pool: Pool, ticks: Connection, resources: Resources
) -> HeldAccount:
    """Return the account as every source tells it now; whoever logs in later is heard."""
    book = AccountBook(
        sources_of(settings.accounts, settings.account, pool, resources.clock),
        poll_s=settings.accounts.poll_s,
        around=Around(
            clock=resources.clock, log=resources.log, random=resources.random, ticks=ticks
        ),
    )
    await book.refresh()
    held = HeldAccount(book, book.account(settings.account.id), resources.clock)
    resources.probe.register("account", held.check)
    return held


def _prices(
    settings: ExecutorSettings, resources: Resources, ticks: Connection
) -> tuple[Instruments, Quotes]:
    instruments = Instruments(
        version=partial(get_instruments_version, ticks),
        read=partial(get_instruments, ticks),
        log=resources.log,
    )
    quotes = Quotes(
        instruments=instruments,
        read=partial(get_last_of, ticks),
        clock=resources.clock,
        age_s_max=settings.executor.last_price_age_s_max,
    )
    return instruments, quotes


def _dead(orders: Connection, account: str) -> dict[str, Count]:
    """Return what counts each stream's dead letters."""
    streams = {
        "commands": COMMANDS,
        "updates": UPDATES,
        "postbacks": POSTBACKS,
        "queries": QUERIES,
    }
    return {
        name: partial(depth, orders, dead(topic.name(account))) for name, topic in streams.items()
    }


def _broker(rest: KiteRest) -> KiteBroker:
    orders, sessions, portfolio = KiteOrders(rest), KiteSessions(rest), KitePortfolio(rest)
    return KiteBroker(orders, sessions, portfolio, KiteWrites(rest), rest.access_token)


async def _queries(
    settings: ExecutorSettings, resources: Resources, orders: Connection, held: HeldAccount
) -> Callable[..., Queries]:
    """Enter what reads for others use; its HTTP connections are its own, orders never wait."""
    account, chosen = settings.account, settings.queries
    rest = await held.enter_rest(settings.kite, resources)
    limiter = RateLimiter(orders, read_windows(chosen.other_per_second_max))
    turns = Turns(limiter, account.id, resources.clock, chosen.other_per_second_max)
    return partial(
        Queries,
        account=account.id,
        reader=GroupReader(
            orders,
            [QUERIES.name(account.id)],
            GROUP,
            GROUP,
            count_max=chosen.read_max,
            block_ms=settings.executor.read_block_ms,
        ),
        reading=Reading(KiteReads(rest), turns, resources.clock, chosen, REPLY_BYTES_MAX),
        put=partial(put_reply, orders),
        trim=partial(trim_taken, orders, QUERIES.name(account.id)),
        clock=resources.clock,
        settings=chosen,
    )


def _desk(
    settings: ExecutorSettings,
    outside: Outside,
    resources: Resources,
    gate: Gate,
    crash_point: CrashHook,
) -> Desk:
    account, behaviour, stopping = settings.account.id, settings.executor, asyncio.Event()
    journal = Journal(outside.pool, account)
    knowledge = Knowledge(
        Sources(
            journal=journal,
            instruments=outside.instruments,
            quotes=outside.quotes,
            calendar=calendar_of(settings.market),
            runaway=Runaway(_runaway_limits(behaviour)),
        ),
        _limits(settings),
    )
    policy = BreakerPolicy(
        failures_max=behaviour.breaker_failures_max,
        window_s=behaviour.breaker_window_s,
        open_s=behaviour.breaker_open_s,
    )
    return Desk(
        circuit=Circuit(Breaker(policy), account=account, gate=gate, clock=resources.clock),
        account=account,
        journal=journal,
        broker=outside.broker,
        knowledge=knowledge,
        pace=Pace(outside.limiter, account, resources.clock, stopping, skew=outside.skew),
        egress=_egress(settings, resources, gate),
        patience=Patience(gate, _policy(behaviour), resources.random, resources.log),
        clock=resources.clock,
        attempts_max=behaviour.attempts_max,
        attempt_gap_s=behaviour.attempt_gap_s,
        crash_point=crash_point,
        stopping=stopping,
    )


def _parts(behaviour: BehaviourSettings, outside: Outside, desk: Desk) -> Parts:
    work, backlog, express = asyncio.Event(), Backlog(), Express(desk)
    handler = Handler(desk, express.in_doubt)
    dispatcher = Dispatcher(
        desk=desk, backlog=backlog, handler=handler, behaviour=behaviour, work=work
    )
    return Parts(
        desk=desk,
        account=outside.account,
        backlog=backlog,
        seating=Seating(pool=outside.pool, desk=desk, owner=_owner(), behaviour=behaviour),
        intake=Intake(
            reader=outside.commands,
            desk=desk,
            backlog=backlog,
            express=express,
            dispatcher=dispatcher,
            work=work,
        ),
        updates=Updates(reader=outside.updates, desk=desk, backlog=backlog, work=work),
        missed=MissedUpdates(outside.hints, desk),
        postbacks=outside.postbacks(updates=outside.writer, desk=desk),
        dispatcher=dispatcher,
        reconciler=Reconciler(
            desk=desk, backlog=backlog, behaviour=behaviour, updates=outside.writer, work=work
        ),
        publisher=Publisher(
            desk=desk,
            writer=outside.writer,
            hints=Hints(desk, outside.control),
            events_max=behaviour.events_published_max,
        ),
        syncing=Syncing(desk=desk, behaviour=behaviour),
        watchdog=Watchdog(
            desk=desk,
            after_s=behaviour.market_unfilled_s,
            cancels=behaviour.market_unfilled_cancel,
        ),
        housekeeping=Housekeeping(desk=desk, behaviour=behaviour, dead=outside.dead),
        instruments=outside.instruments,
        trim=outside.trim,
        queries=outside.queries(patience=desk.patience),
        work=work,
        backlog_max=behaviour.backlog_max,
    )


def _egress(settings: ExecutorSettings, resources: Resources, gate: Gate) -> Egress:
    behaviour = settings.executor
    url = behaviour.egress_check_url
    return Egress(
        gate=gate,
        clock=resources.clock,
        ask=partial(public_address, url, settings.kite) if url else None,
        registered=behaviour.egress_addresses,
        every_s=behaviour.egress_every_s,
    )


def _runaway_limits(behaviour: BehaviourSettings) -> RunawayLimits:
    return RunawayLimits(
        orders_max=behaviour.runaway_orders_max,
        window_s=behaviour.runaway_window_s,
        rejections_max=behaviour.runaway_rejections_max,
        cancels_max=behaviour.runaway_cancels_max,
        alike_s=behaviour.duplicate_window_s,
    )


def _risk(settings: ExecutorSettings) -> Risk:
    behaviour = settings.executor
    return Risk(
        order_quantity_max=behaviour.order_quantity_max,
        order_notional_max=behaviour.order_notional_max,
        day_quantity_max=behaviour.day_quantity_max,
        day_turnover_max=behaviour.day_turnover_max,
        price_band_percent=behaviour.price_band_percent,
        price_band_rupees_min=behaviour.price_band_rupees_min,
        is_price_needed=behaviour.last_price_required,
        is_session_needed=has_hours(settings),
    )


def _limits(settings: ExecutorSettings) -> Limits:
    behaviour = settings.executor
    return Limits(
        risk=_risk(settings),
        placements_per_day_max=behaviour.placements_per_day_max,
        placements_per_day_reserved=behaviour.placements_per_day_reserved,
        modifications_max=behaviour.modifications_max,
        target_wait_us=round(behaviour.target_wait_s * 1e6),
        positions_age_us=round(behaviour.positions_age_s_max * 1e6),
        has_funds=behaviour.mutual_fund_writes,
    )


def _policy(behaviour: BehaviourSettings) -> RetryPolicy:
    return RetryPolicy(base_s=behaviour.retry_s_min, ceiling_s=behaviour.retry_s_max)


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
