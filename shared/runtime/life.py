"""The life of a worker: built, run until told to stop, drained, closed."""

from __future__ import annotations

import asyncio
import enum
import gc
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Generic

from shared.clock import Clock
from shared.runtime import logs
from shared.runtime.arguments import version
from shared.runtime.outcome import ExitCode, tell
from shared.runtime.probe import Probe
from shared.runtime.readying import tell_when_ready
from shared.runtime.resources import Build, Resources, SettingsT
from shared.runtime.signals import stop_on_signals
from shared.runtime.supervise import TaskEnded

#: Seconds a worker gets to unwind once its drain has run out of time.
CANCEL_TIMEOUT_S: Final = 1.0
_NAMES_SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Generic[SettingsT]):
    """What makes one worker different from another."""

    name: str
    build: Build[SettingsT]
    drain_timeout_s: float


async def live(
    program: Program[SettingsT],
    settings: SettingsT,
    clock: Clock,
    *,
    force: Callable[[], None],
) -> ExitCode:
    """Build the worker, run it until a signal comes, drain it, say how it ended.

    A second signal calls `force`. After DRAIN_TIMED_OUT something may still be running.
    """
    life = _Life(program, settings, clock)
    with stop_on_signals(life.stopping, force=force):
        code = await _oversee(life)
    life.log.info("worker.stopped", exit_code=int(code))
    return code


class _Phase(enum.Enum):
    BUILDING = enum.auto()
    RUNNING = enum.auto()
    CLOSING = enum.auto()


class _Life(Generic[SettingsT]):
    """One worker from its first resource to its last, lived in a single task."""

    def __init__(self, program: Program[SettingsT], settings: SettingsT, clock: Clock) -> None:
        self.program = program
        self.stopping = asyncio.Event()
        self.log = logs.get_log()
        self.probe = Probe(settings.probe, worker=program.name)
        self.phase = _Phase.BUILDING
        self.was_interrupted = False
        self.was_cut_off = False
        self.failure: Exception | None = None
        self._settings = settings
        self._clock = clock

    async def live(self) -> None:
        async with AsyncExitStack() as stack:
            try:
                await self._work(stack)
            except Exception as error:
                self.failure = error
                raise
            finally:
                self.phase = _Phase.CLOSING
                # Whatever ended it, what is left of it stops now, within the drain's limit.
                self.stopping.set()

    async def _work(self, stack: AsyncExitStack) -> None:
        resources = Resources(
            probe=self.probe,
            clock=self._clock,
            log=self.log,
            random=random.Random(),  # noqa: S311  # jitter, not secrets
            stack=stack,
        )
        # Before anything else, so that a long start can be watched.
        await resources.enter(self.probe.serving())
        self.log.info("worker.starting", version=version(), probe=self.probe.address)
        worker = await self.program.build(self._settings, resources)
        self.phase = _Phase.RUNNING
        # What was loaded so far lives as long as we do. Left to the collector, compilers and
        # vendors alone are some hundred milliseconds of standing still, again and again.
        gc.collect()
        gc.freeze()
        self.probe.started()
        self.log.info("worker.started", probe=self.probe.address)
        telling = asyncio.create_task(
            tell_when_ready(self.probe, self.log, self._clock), name="readiness"
        )
        try:
            await worker.run(self.stopping)
        finally:
            telling.cancel()
        if not self.stopping.is_set():
            msg = "the worker returned although nobody asked it to stop"
            raise TaskEnded(msg)


async def _oversee(life: _Life[Any]) -> ExitCode:
    # Not a TaskGroup: a group waits for ever for a task that does not heed its cancellation.
    task = asyncio.create_task(life.live(), name="worker")
    await _until_stopping(task, life.stopping)
    if not task.done():
        await _drain(task, life)
    return _verdict(task, life)


async def _until_stopping(task: asyncio.Task[None], stopping: asyncio.Event) -> None:
    waiting = asyncio.create_task(stopping.wait(), name="stopping")
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _drain(task: asyncio.Task[None], life: _Life[Any]) -> None:
    """Wait until the worker has drained, then cut off what is left."""
    limit_s = life.program.drain_timeout_s
    life.probe.set_unready("draining")
    if life.phase is not _Phase.CLOSING:
        life.log.info("drain.started", timeout_s=limit_s)
    if life.phase is _Phase.BUILDING:
        life.was_interrupted = True
        task.cancel()  # nothing has been read yet, so there is nothing to finish
    await asyncio.wait({task}, timeout=limit_s)
    if task.done():
        return
    life.was_cut_off = True
    life.log.error("drain.timed_out", timeout_s=limit_s, unfinished=_unfinished())
    task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_TIMEOUT_S)


def _verdict(task: asyncio.Task[None], life: _Life[Any]) -> ExitCode:
    last = task.exception() if task.done() and not task.cancelled() else None
    errors = [error for error in (life.failure, last) if error is not None]
    told = tell(life.log, *errors)
    if life.was_cut_off:
        return ExitCode.DRAIN_TIMED_OUT
    if errors:
        return told
    if task.cancelled() and not life.was_interrupted:
        life.log.critical("worker.crashed", error="cancelled, though not by us")
        return ExitCode.CRASHED
    return ExitCode.CLEAN


def _unfinished() -> list[str]:
    current = asyncio.current_task()
    names = (task.get_name() for task in asyncio.all_tasks() if task is not current)
    return sorted(names)[:_NAMES_SHOWN_MAX]
