"""The life of a worker process.

A worker's `__main__` is `sys.exit(main("ingest", IngestSettings, build, drain_timeout_s=5))`.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Generic, NoReturn, cast

import uvloop
from msgspec import Struct

from shared.clock import Clock, SystemClock
from shared.errors import LocalError, SettingsError
from shared.runtime import logs
from shared.runtime.arguments import Flags, parse, version
from shared.runtime.outcome import ExitCode, tell
from shared.runtime.probe import Probe
from shared.runtime.process import exit_with_parent
from shared.runtime.resources import Build, Resources, SettingsT
from shared.runtime.settings import load
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


def main(
    name: str,
    settings_type: type[SettingsT],
    build: Build[SettingsT],
    *,
    drain_timeout_s: float,
    arguments: Sequence[str] | None = None,
) -> int:
    """Live the whole life of a worker and return its exit code.

    0 clean, 1 crashed, 2 bad settings, 3 drain timed out. After a crash or a drain that timed
    out the process leaves from here, since a thread that hangs could keep it for ever.
    """
    flags = parse(name, arguments)
    try:
        settings = _settings(name, settings_type, flags)
        if flags.exit_with_parent:
            exit_with_parent(flags.parent_pid)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.BAD_SETTINGS
    except LocalError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return ExitCode.CRASHED
    if flags.check:
        sys.stdout.write(f"{name}: settings are fine\n")
        return ExitCode.CLEAN
    clock = SystemClock()
    logs.configure(settings.log, worker=name, clock=clock, stream=sys.stderr)
    faulthandler.enable()
    program = Program(name=name, build=build, drain_timeout_s=drain_timeout_s)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live_or_leave(program, settings, clock))


async def live(program: Program[SettingsT], settings: SettingsT, clock: Clock) -> ExitCode:
    """Build the worker, run it until a signal comes, drain it, say how it ended."""
    life = _Life(program, settings, clock)
    with stop_on_signals(life.stopping, force=_leave_forced):
        code = await _oversee(life)
    life.log.info("worker.stopped", exit_code=int(code))
    return code


class _Life(Generic[SettingsT]):
    """One worker from its first resource to its last, lived in a single task."""

    def __init__(self, program: Program[SettingsT], settings: SettingsT, clock: Clock) -> None:
        self.program = program
        self.stopping = asyncio.Event()
        self.log = logs.get_log()
        self.probe = Probe(settings.probe, worker=program.name)
        self.is_built = False
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
        self.is_built = True
        self.probe.started()
        self.log.info("worker.ready", probe=self.probe.address)
        await worker.run(self.stopping)
        if not self.stopping.is_set():
            msg = "the worker returned although nobody asked it to stop"
            raise TaskEnded(msg)


async def _oversee(life: _Life[Any]) -> ExitCode:
    # Not a TaskGroup: a group waits for ever for a task that does not heed its cancellation.
    task = asyncio.create_task(life.live(), name="worker")
    await _until_stopping(task, life.stopping)
    if not task.done() and not await _drained(task, life):
        return ExitCode.DRAIN_TIMED_OUT
    if task.cancelled():
        return ExitCode.CRASHED if life.is_built else ExitCode.CLEAN
    error = task.exception()
    return tell(life.log, error) if error else ExitCode.CLEAN


async def _until_stopping(task: asyncio.Task[None], stopping: asyncio.Event) -> None:
    waiting = asyncio.create_task(stopping.wait(), name="stopping")
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _drained(task: asyncio.Task[None], life: _Life[Any]) -> bool:
    """Wait for the drain, then cut it off; return whether it ended by itself."""
    limit_s = life.program.drain_timeout_s
    life.probe.set_unready("draining")
    life.log.info("drain.started", timeout_s=limit_s)
    if not life.is_built:
        task.cancel()  # nothing has been read yet, so there is nothing to finish
    await asyncio.wait({task}, timeout=limit_s)
    if task.done():
        return True
    life.log.error("drain.timed_out", timeout_s=limit_s, unfinished=_unfinished())
    if life.failure is not None:
        tell(life.log, life.failure)
    task.cancel()
    await asyncio.wait({task}, timeout=CANCEL_TIMEOUT_S)
    return False


def _unfinished() -> list[str]:
    current = asyncio.current_task()
    names = (task.get_name() for task in asyncio.all_tasks() if task is not current)
    return sorted(names)[:_NAMES_SHOWN_MAX]


async def _live_or_leave(
    program: Program[SettingsT],
    settings: SettingsT,
    clock: Clock,
) -> ExitCode:
    code = await live(program, settings, clock)
    if code is not ExitCode.CLEAN:
        _leave(code)
    return code


def _settings(name: str, settings_type: type[SettingsT], flags: Flags) -> SettingsT:
    # A protocol cannot say that it is also a msgspec struct.
    struct_type = cast("type[Struct]", settings_type)
    settings = load(
        struct_type,
        os.environ,
        name=name,
        file=flags.config,
        overrides=flags.overrides,
    )
    return cast("SettingsT", settings)


def _leave_forced() -> NoReturn:
    _leave(ExitCode.DRAIN_TIMED_OUT)


def _leave(code: ExitCode) -> NoReturn:
    with contextlib.suppress(OSError):  # nobody may be reading any more
        sys.stderr.flush()
    os._exit(code)
