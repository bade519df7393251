"""How a worker process starts, how it leaves.

A worker's `__main__` is `sys.exit(main("ingest", IngestSettings, build, drain_timeout_s=5))`.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, cast

import uvloop
from msgspec import Struct

from shared.clock import Clock, SystemClock
from shared.errors import LocalError, SettingsError
from shared.runtime import logs
from shared.runtime.arguments import Flags, parse
from shared.runtime.life import Program, live
from shared.runtime.outcome import ExitCode
from shared.runtime.process import exit_with_parent
from shared.runtime.resources import Build, SettingsT
from shared.runtime.settings import load


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


async def _live_or_leave(
    program: Program[SettingsT],
    settings: SettingsT,
    clock: Clock,
) -> ExitCode:
    code = await live(program, settings, clock, force=_leave_forced)
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
