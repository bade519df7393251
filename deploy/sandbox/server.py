"""The sandbox as one listening process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from deploy.sandbox.accounts import Accounts
from deploy.sandbox.control import ControlParts, ControlRoutes
from deploy.sandbox.faults import FaultBoard
from deploy.sandbox.gate import TICKER_PATH, Gate
from deploy.sandbox.limits import RequestLimits
from deploy.sandbox.market import Market, MarketTerms
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.received import ReceivedLog
from deploy.sandbox.rest_funds import FundRoutes
from deploy.sandbox.rest_market import MarketRoutes
from deploy.sandbox.rest_orders import OrderRoutes
from deploy.sandbox.rest_portfolio import PortfolioRoutes
from deploy.sandbox.rest_user import UserRoutes
from deploy.sandbox.rest_writes import WriteRoutes
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.simulation import Simulation
from deploy.sandbox.tape import TapeFiles
from deploy.sandbox.tape_player import TapePlayer
from deploy.sandbox.ticker import Ticker, TickerParts
from shared.clock import Clock
from shared.errors import LocalError

BODY_BYTES_MAX = 1024 * 1024
SHUTDOWN_S = 1.0
MS_PER_S = 1_000
TAPE = web.AppKey("TAPE", TapePlayer)


async def serve(settings: SandboxSettings, clock: Clock, stopping: asyncio.Event) -> None:
    """Run the sandbox until `stopping` is set; print where it listens once it does.

    Raises:
        LocalError: the address cannot be listened on.
    """
    market_clock = MarketClock(clock, scale=settings.time_scale)
    application, simulation, ticker = build(settings, market_clock)
    async with _listening(application, settings) as port:
        print(json.dumps(announcement(settings, port)), flush=True)
        async with asyncio.TaskGroup() as group:
            step_s = settings.step_ms / MS_PER_S
            tasks = [
                group.create_task(simulation.run(step_s), name="market-steps"),
                group.create_task(ticker.beat(), name="heartbeats"),
            ]
            if TAPE in application:
                playing = application[TAPE].run()
                tasks.append(group.create_task(playing, name="tape"))
            await stopping.wait()
            for task in tasks:
                task.cancel()
        await ticker.close_all()


def build(
    settings: SandboxSettings, clock: MarketClock
) -> tuple[web.Application, Simulation, Ticker]:
    """Return the wired application with the two parts that have loops of their own."""
    now_s = clock.now_s()
    step_s = settings.step_ms / MS_PER_S * settings.time_scale
    market = Market(MarketTerms(settings.seed, settings.strikes_each_side, step_s), now_s)
    accounts = Accounts(settings.accounts, now_s, tokens_expire=settings.profile == "strict")
    faults, received = FaultBoard(clock.monotonic_s), ReceivedLog()
    for wish in settings.faults:
        faults.add(wish)
    limits = RequestLimits(enabled=settings.limits)
    ticker = Ticker(
        TickerParts(
            market=market,
            accounts=accounts,
            faults=faults,
            clock=clock,
            received=received,
            profile=settings.profile,
            plays_tape=bool(settings.tapes),
        )
    )
    tape = TapeFiles(settings.tapes) if settings.tapes else None
    player = TapePlayer(tape, ticker, clock, settings.tape_speed) if tape else None
    users = [account.user_id for account in accounts.all()]
    simulation = Simulation(market, ticker, clock, users)
    gate = Gate(accounts, limits, faults, received, clock)
    control = ControlParts(
        settings=settings,
        market=market,
        simulation=simulation,
        ticker=ticker,
        accounts=accounts,
        faults=faults,
        limits=limits,
        received=received,
        clock=clock,
        tape=player,
    )
    routes = [
        web.get(TICKER_PATH, ticker.handle),
        *_reads(market, settings.seed, clock, tape),
        *OrderRoutes(simulation, faults, limits, clock).routes(),
        *UserRoutes(accounts, simulation, clock).routes(),
        *WriteRoutes(simulation, has_funds=settings.funds).routes(),
        *ControlRoutes(control).routes(),
    ]
    return _application(gate, routes, player), simulation, ticker


def _reads(
    market: Market, seed: int, clock: MarketClock, tape: TapeFiles | None
) -> list[web.RouteDef]:
    """Return the routes that only answer."""
    return [
        *MarketRoutes(market, seed, clock, tape).routes(),
        *PortfolioRoutes(market).routes(),
        *FundRoutes().routes(),
    ]


def _application(
    gate: Gate, routes: list[web.RouteDef], player: TapePlayer | None
) -> web.Application:
    application = web.Application(middlewares=[gate.middleware()], client_max_size=BODY_BYTES_MAX)
    application.add_routes(routes)
    if player is not None:
        application[TAPE] = player
    return application


def announcement(settings: SandboxSettings, port: int) -> dict[str, Any]:
    """Return the line a starter reads: where to connect, with which credentials."""
    # These credentials open nothing but this process, so printing them is their purpose.
    origin = f"{settings.host}:{port}"
    return {
        "rest_url": f"http://{origin}",
        "ws_url": f"ws://{origin}",
        "control_url": f"http://{origin}/sandbox",
        "seed": settings.seed,
        "pid": os.getpid(),
        "accounts": [
            {
                "id": account.user_id,
                "api_key": account.api_key,
                "api_secret": account.api_secret.reveal(),
                "access_token": account.access_token.reveal(),
            }
            for account in settings.accounts
        ],
    }


@asynccontextmanager
async def _listening(application: web.Application, settings: SandboxSettings) -> AsyncIterator[int]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise LocalError(
                f"sandbox: cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            ) from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
