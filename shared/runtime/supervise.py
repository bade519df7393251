"""Side tasks that may not end before the worker does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from shared.errors import PipelineError


class TaskEnded(PipelineError):
    """A task that lives as long as its worker returned although nobody was stopping."""


def supervise(
    group: asyncio.TaskGroup,
    coroutine: Coroutine[Any, Any, None],
    *,
    name: str,
    stopping: asyncio.Event,
) -> asyncio.Task[None]:
    """Spawn a task that has to run until `stopping` is set.

    An early return becomes TaskEnded, which brings the whole group down; an exception travels
    on as it is with the task's name noted on it, so that it is logged once, by who ends the worker.
    """
    return group.create_task(_guard(coroutine, name, stopping), name=name)


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait until `stopping` is set, at most `seconds`; return whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return stopping.is_set()
    return True


async def _guard(
    coroutine: Coroutine[Any, Any, None],
    name: str,
    stopping: asyncio.Event,
) -> None:
    try:
        await coroutine
    except Exception as error:
        error.add_note(f"in task {name!r}")
        raise
    if not stopping.is_set():
        msg = f"task {name!r} ended although nobody asked it to stop"
        raise TaskEnded(msg)


async def contain(
    coroutine: Coroutine[Any, Any, None], on_bug: Callable[[Exception], None]
) -> bool:
    """Run work that may fail without taking its process down; return whether it ended well.

    For work on behalf of others in a process that also does something no bug of theirs may stop.
    """
    try:
        await coroutine
    except Exception as error:  # noqa: BLE001  # this is the wall
        on_bug(error)
        return False
    return True
