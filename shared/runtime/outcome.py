"""How a worker's end is told."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterator

from shared.errors import IllegalTransition, PipelineError, SettingsError
from shared.runtime.logs import Log


class ExitCode(enum.IntEnum):
    """What the process says to whoever started it."""

    CLEAN = 0
    CRASHED = 1
    BAD_SETTINGS = 2
    DRAIN_TIMED_OUT = 3


def tell(log: Log, *errors: BaseException) -> ExitCode:
    """Log why the worker ended, once for each cause, and return the exit code that follows.

    Our own errors are one clear line; anything else is a bug and brings its traceback.
    """
    causes = {id(cause): cause for error in errors for cause in _causes(error)}.values()
    for cause in causes:
        notes = list(getattr(cause, "__notes__", ()))
        if _expected(cause):
            log.error("worker.failed", kind=type(cause).__name__, error=str(cause), notes=notes)
        else:
            log.critical("worker.crashed", error=repr(cause), notes=notes, exc_info=cause)
    only_settings = bool(causes) and all(isinstance(cause, SettingsError) for cause in causes)
    return ExitCode.BAD_SETTINGS if only_settings else ExitCode.CRASHED


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    elif not isinstance(error, asyncio.CancelledError):
        yield error


def _expected(error: BaseException) -> bool:
    return isinstance(error, PipelineError) and not isinstance(error, IllegalTransition)
