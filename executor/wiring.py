"""Builds one account's executor out of settings."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from typing import Final

from executor.bounds import breaker_of, limits_of, retry_of, runaway_of
from executor.broker.circuit import Circuit
from executor.broker.egress import Egress
from executor.broker.pace import ORDER_REQUESTS, Pace, windows
from executor.commands.dispatch import Dispatcher
from executor.commands.express import Express
from executor.commands.handler import Handler
from executor.commands.intake import Intake
from executor.commands.watchdog import Watchdog
from executor.crash import CrashHook, never
from executor.desk import Desk
from executor.gate import Bar, Gate
from executor.housekeeping import Housekeeping
from executor.journal.echoes import Echoes
from executor.journal.hints import Hints
from executor.journal.knowledge import Knowledge, Sources
from executor.journal.publishing import Publisher
from executor.lookup.missed import MissedUpdates
from executor.lookup.reconcile import Reconciler
from executor.lookup.syncing import Syncing
from executor.lookup.updates import Updates
from executor.market.prices import Prices
from executor.metrics import BARRED
from executor.outside import Outside, enter
from executor.rules.backlog import Backlog
from executor.rules.budgets import Budgets
from executor.rules.runaway import Runaway
from executor.seating import Seating
from executor.settings import BehaviourSettings, ExecutorSettings, check
from executor.steady import Patience
from executor.warming import Warming
from executor.worker import ExecutorWorker, Parts
from shared.kite.egress import public_address
from shared.resilience.breaker import Breaker
from shared.runtime.market_calendar import calendar_of
from shared.runtime.market_metrics import tell_sessions
from shared.runtime.resources import Resources
from shared.store.journal import Journal

DRAIN_TIMEOUT_S: Final = 25


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
    outside = await enter(settings, resources, gate)
    for bar in Bar:
        resources.probe.register(bar.value, partial(gate.check, bar))
        BARRED.labels(bar.value).set_function(partial(gate.is_closed, bar))
    desk = _desk(settings, outside, resources, gate, crash_point)
    return ExecutorWorker(_parts(settings.executor, outside, desk))


def _desk(
    settings: ExecutorSettings,
    outside: Outside,
    resources: Resources,
    gate: Gate,
    crash_point: CrashHook,
) -> Desk:
    account, behaviour, stopping = settings.account.id, settings.executor, asyncio.Event()
    calendar = calendar_of(settings.market)
    tell_sessions(calendar, resources.clock)
    journal = Journal(outside.pool, account)
    prices = Prices(
        quotes=outside.quotes,
        questions=outside.questions,
        clock=resources.clock,
        wait_s=behaviour.last_price_wait_s,
    )
    knowledge = Knowledge(
        Sources(
            journal=journal,
            instruments=outside.instruments,
            quotes=outside.quotes,
            prices=prices,
            calendar=calendar,
            runaway=Runaway(runaway_of(behaviour)),
        ),
        limits_of(settings),
    )
    return Desk(
        circuit=Circuit(
            Breaker(breaker_of(behaviour)), account=account, gate=gate, clock=resources.clock
        ),
        account=account,
        journal=journal,
        broker=outside.broker,
        knowledge=knowledge,
        pace=_pace(behaviour, outside, resources, account, stopping),
        egress=_egress(settings, resources, gate),
        patience=Patience(gate, retry_of(behaviour), resources.random, resources.log),
        clock=resources.clock,
        attempts_max=behaviour.attempts_max,
        attempt_gap_s=behaviour.attempt_gap_s,
        crash_point=crash_point,
        stopping=stopping,
    )


def _pace(
    behaviour: BehaviourSettings,
    outside: Outside,
    resources: Resources,
    account: str,
    stopping: asyncio.Event,
) -> Pace:
    budgets = Budgets(windows(behaviour)[ORDER_REQUESTS])
    return Pace(
        outside.limiter, account, resources.clock, stopping, skew=outside.skew, budgets=budgets
    )


def _parts(behaviour: BehaviourSettings, outside: Outside, desk: Desk) -> Parts:
    work, backlog, express = asyncio.Event(), Backlog(), Express(desk)
    handler = Handler(desk, express.in_doubt)
    updates, reconciler = _sighting(behaviour, outside, desk, backlog, work)
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
        updates=updates,
        warming=Warming(desk, outside.instruments),
        missed=MissedUpdates(outside.hints, desk),
        postbacks=outside.postbacks(updates=outside.writer, desk=desk),
        dispatcher=dispatcher,
        reconciler=reconciler,
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
        housekeeping=Housekeeping(desk=desk, behaviour=behaviour, seen=outside.seen),
        instruments=outside.instruments,
        trim=outside.trim,
        questions=outside.questions,
        queries=outside.queries(patience=desk.patience),
        work=work,
        backlog_max=behaviour.backlog_max,
    )


def _sighting(
    behaviour: BehaviourSettings,
    outside: Outside,
    desk: Desk,
    backlog: Backlog,
    work: asyncio.Event,
) -> tuple[Updates, Reconciler]:
    """Return who hears of orders and who looks for them; what one has found the other skips."""
    echoes = Echoes()
    updates = Updates(reader=outside.updates, desk=desk, backlog=backlog, echoes=echoes, work=work)
    reconciler = Reconciler(
        desk=desk,
        backlog=backlog,
        behaviour=behaviour,
        updates=outside.writer,
        echoes=echoes,
        work=work,
    )
    return updates, reconciler


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


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
