"""What a worker is built from."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shared.clock import Clock
from shared.runtime.logs import Log
from shared.runtime.probe import Probe
from shared.runtime.settings import LogSettings, ProbeSettings

T = TypeVar("T")


class WorkerSettings(Protocol):
    """The two sections every worker's frozen settings struct has."""

    @property
    def log(self) -> LogSettings:
        """Say how the worker logs."""
        ...

    @property
    def probe(self) -> ProbeSettings:
        """Say where the worker answers probes."""
        ...


class Worker(Protocol):
    """The whole interface of a worker."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, finish what was read, return.

        A worker that has finished by itself sets `stopping` before it returns; returning
        without that is a crash. Everything it spawns lives in its own TaskGroup.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Handed to `build`: what the process already has, with a place to leave what it opens.

    Everything happens in the one task that also runs the worker, so a context manager may hold
    a TaskGroup: a child of it that crashes takes the worker down.
    """

    probe: Probe
    clock: Clock
    log: Log
    #: The only source of chance: jitter draws from it.
    random: random.Random
    stack: AsyncExitStack

    async def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter the manager now; it is left in reverse order when the worker has drained."""
        return await self.stack.enter_async_context(manager)


SettingsT = TypeVar("SettingsT", bound=WorkerSettings)
Build = Callable[[SettingsT, Resources], Awaitable[Worker]]
