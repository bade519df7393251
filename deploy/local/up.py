"""The pipeline brought up, shown, tried with an order, taken down, judged."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from rich.console import Console, RenderableType
from rich.live import Live

from deploy.local import feed, view
from deploy.local.acl import Role
from deploy.local.demo import Desk, Outcome, place_one
from deploy.local.environment import WORKERS
from deploy.local.figures import Figures
from deploy.local.pipeline import Pipeline, Request, pipeline
from deploy.local.settings import DEFAULT_STATE, ROOT, STATE_DIR_VARIABLE
from deploy.local.supervise import StartInterrupted, StopRequest
from deploy.local.verdict import Watched, complaints
from shared.clock import Clock
from shared.errors import PipelineError, StreamError
from shared.runtime.signals import stop_on_signals
from shared.runtime.supervise import pause
from shared.streams.client import connect

#: How often the picture is drawn on a terminal, in seconds; elsewhere every fourth is a line.
DRAW_S = 0.5
LOOKS_PER_LINE = 4
#: What the watch over the processes gets to notice a death before a reader complains.
WATCH_FIRST_S = 2.0

T = TypeVar("T")


class Options(Struct, frozen=True, kw_only=True):
    """How long to run, what to show."""

    duration_s: float | None = None
    shows_view: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run and who watches it."""

    request: Request
    options: Options
    clock: Clock
    console: Console
    stop: StopRequest = field(default_factory=StopRequest)


async def up(session: Session) -> int:
    """Run the pipeline until a signal or the duration ends it; return the exit code.

    0: all drained cleanly and, where a duration was asked for, everything was seen to flow.
    1: the sentence why not was printed.
    """
    with stop_on_signals(session.stop.asked, session.stop.hurry):
        try:
            watched = await _run(session)
        except StartInterrupted as error:
            session.console.print(f"tickflow: {error}")
            return 0
        except (PipelineError, BaseExceptionGroup) as error:
            _tell(session.console, _sentences(error))
            return 1
    wrong = complaints(watched, everything=session.options.duration_s is not None)
    _tell(session.console, wrong)
    if not wrong:
        done = f"tickflow: done, {watched.ticks_total:,} ticks; {watched.order}"
        session.console.print(done, highlight=False, soft_wrap=True)
    return 1 if wrong else 0


async def _run(session: Session) -> Watched:
    def tell(sentence: str) -> None:
        session.console.print(f"tickflow: {sentence}", highlight=False, soft_wrap=True)

    tell("starting Redis, PostgreSQL, the sandbox, four workers ...")
    async with pipeline(session.request, session.stop, tell) as running:
        figures = Figures(session.clock.now_ns())
        session.console.print(welcome(running), markup=False, highlight=False, soft_wrap=True)
        outcome = await _attend(session, running, figures)
        tell("draining ...")
    return Watched(
        ticks_total=figures.ticks_total,
        stood_still=figures.stood_still(),
        order=outcome.sentence,
        order_went_through=outcome.went_through,
        restarts=running.supervisor.restarts,
        drained_badly=[each.sentence for each in running.ended if not each.clean],
    )


def welcome(running: Pipeline) -> str:
    """Return the addresses of a running pipeline, with three commands to try next."""
    publisher = f"127.0.0.1:{running.publisher_port}"
    probes = ", ".join(f"{name} :{port}" for name, port in running.probes.items())
    state = running.operator_file.parent
    ours = "" if state == DEFAULT_STATE else f"{STATE_DIR_VARIABLE}={shlex.quote(str(state))} "
    python = shlex.quote(sys.executable)
    launcher = Path(sys.executable).with_name("tickflow")
    tickflow = shlex.quote(str(launcher)) if launcher.exists() else f"{python} -m shared.ops"
    return f"""
  publisher   http://{publisher}   (/v1/stream, /v1/openapi.json; docs/http.md)
  page        http://{publisher}/   (paste the key: cat {state}/secrets/subscriber.key)
  for Kite's  ws://127.0.0.1:{running.kite_port}   (KiteTicker's root; api_key local)
  broker      {running.sandbox.rest_url}   (the sandbox; control {running.sandbox.control_url})
  probes      {probes}   (/readyz, /metrics on 127.0.0.1)
  logs        {state}/logs

  try next, in another terminal:
    cd {shlex.quote(str(ROOT))}
    {ours}{tickflow} status
    {ours}{tickflow} chain NIFTY
    (set -a; . {shlex.quote(str(running.operator_file))}; {python} docs/examples/consumer.py)
"""


async def _attend(session: Session, running: Pipeline, figures: Figures) -> Outcome:
    """Watch, show, try an order until the end is asked for."""
    redis = session.request.settings.redis
    reader, producer = (running.urls(role) for role in _ROLES)
    account = running.sandbox.accounts[0].id
    stopping = session.stop.asked
    async with (
        connect(reader.ticks, name="local-view", settings=redis) as ticks,
        connect(reader.orders, name="local-view", settings=redis) as events,
        connect(producer.orders, name="local-demo", settings=redis) as orders,
        asyncio.TaskGroup() as group,
    ):
        desk = Desk(ticks, orders, account, session.clock, lambda: f"demo-{uuid.uuid4()}")
        watching = group.create_task(running.supervisor.watch(WORKERS), name="watch")
        readings = {
            "ticks": feed.read_ticks(ticks, figures, session.clock, stopping),
            "chain": feed.read_chain(ticks, figures, session.clock, stopping),
            "events": feed.read_events(events, figures, account, session.clock, stopping),
            "view": _show(session, figures),
        }
        side = [
            group.create_task(_after_the_watch(reading), name=name)
            for name, reading in readings.items()
        ]
        order = group.create_task(_after_the_watch(place_one(desk, stopping)), name="order")
        await pause(stopping, session.options.duration_s or _FOR_EVER_S)
        stopping.set()
        # Reads run out by themselves within a block; only the watch has to be told.
        await asyncio.wait(side)
        outcome = await order
        watching.cancel()
    return outcome


async def _after_the_watch(reading: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine does; a stream's failure waits for a better sentence.

    When a server has died, the watch over the processes can say so, with its last words.
    """
    try:
        return await reading
    except StreamError:
        await asyncio.sleep(WATCH_FIRST_S)
        raise


_ROLES: tuple[Role, Role] = ("client-read", "producer")
_FOR_EVER_S = 10 * 365 * 86_400.0


async def _show(session: Session, figures: Figures) -> None:
    stopping, clock = session.stop.asked, session.clock
    if session.options.shows_view and session.console.is_terminal:

        def draw() -> RenderableType:
            return view.picture(figures.snapshot(clock.now_ns()), session.console.width)

        with Live(draw(), console=session.console, auto_refresh=False) as live:
            while not await pause(stopping, DRAW_S):
                live.update(draw(), refresh=True)
        return
    for look in itertools.count(1):
        if await pause(stopping, DRAW_S):
            return
        # Looked at as often as a picture would be, so that a frozen figure is noticed as soon.
        shot = figures.snapshot(clock.now_ns())
        if session.options.shows_view and look % LOOKS_PER_LINE == 0:
            session.console.print(view.line(shot), highlight=False, soft_wrap=True)


def _sentences(error: BaseException) -> list[str]:
    if not isinstance(error, BaseExceptionGroup):
        return [str(error)]
    bugs = error.split(PipelineError)[1]
    if bugs is not None:
        raise bugs
    return [sentence for inner in error.exceptions for sentence in _sentences(inner)]


def _tell(console: Console, sentences: list[str]) -> None:
    for sentence in sentences:
        console.print(
            f"tickflow: {sentence}", style="red", markup=False, highlight=False, soft_wrap=True
        )
