"""The smallest worker there is, with ways to go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator
from typing import Literal

from msgspec import Struct

from shared.errors import SettingsError, StoreError
from shared.runtime.probe import Check
from shared.runtime.resources import Resources
from shared.runtime.run import main
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.runtime.supervise import supervise
from shared.secret import Secret

Mode = Literal[
    "steady",
    "ready late",
    "slow drain",
    "hanging drain",
    "bug",
    "refused",
    "returns",
    "finished",
    "side task",
    "resource task",
    "hanging build",
    "failing build",
    "wrong combination",
    "crash with hanging close",
    "bug with failing close",
    "cancelled",
    "crash with hanging thread",
]


class LocalSettings(Struct, frozen=True):
    mode: Mode = "steady"
    password: Secret = Secret("")


class TinySettings(Struct, frozen=True):
    local: LocalSettings = LocalSettings()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()


class TinyWorker:
    def __init__(self, mode: Mode, resources: Resources) -> None:
        self._mode = mode
        self._log = resources.log
        self.has_seat = mode != "ready late"

    async def run(self, stopping: asyncio.Event) -> None:
        match self._mode:
            case "bug" | "crash with hanging close" | "bug with failing close":
                raise KeyError("missing")
            case "cancelled":
                raise asyncio.CancelledError
            case "crash with hanging thread":
                hang = threading.Event()
                asyncio.get_running_loop().run_in_executor(None, hang.wait)
                raise KeyError("missing")
            case "refused":
                raise StoreError("PostgreSQL refused the statement")
            case "returns":
                return
            case "finished":
                stopping.set()
                return
        async with asyncio.TaskGroup() as group:
            if self._mode == "side task":
                supervise(group, asyncio.sleep(0), name="flush", stopping=stopping)
            if self._mode == "ready late":
                # Until somebody has seen the probe say so: the test writes to our standard input.
                await asyncio.to_thread(sys.stdin.readline)
                self.has_seat = True
            await stopping.wait()
        await self._drain()

    async def _drain(self) -> None:
        self._log.info("tiny.draining")
        if self._mode == "slow drain":
            # Until somebody has seen the probe say so: the test writes to our standard input.
            await asyncio.to_thread(sys.stdin.readline)
        if self._mode == "hanging drain":
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def noted(resources: Resources, name: str, mode: Mode) -> AsyncIterator[str]:
    resources.log.info("tiny.opened", resource=name)
    try:
        yield name
    finally:
        # Closing takes a few turns of the loop, as that of a real connection does.
        for _ in range(10):
            await asyncio.sleep(0)
        resources.log.info("tiny.closed", resource=name)
        if mode == "bug with failing close":
            raise StoreError(f"closing {name} failed")
        if mode == "crash with hanging close":
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def with_a_task() -> AsyncIterator[None]:
    async def crashes() -> None:
        raise StoreError("the lease's keeper failed")

    async with asyncio.TaskGroup() as group:
        group.create_task(crashes(), name="keeper")
        yield


async def build(settings: TinySettings, resources: Resources) -> TinyWorker:
    mode = settings.local.mode
    await resources.enter(noted(resources, "first", mode))
    await resources.enter(noted(resources, "second", mode))
    if mode == "hanging build":
        await asyncio.Event().wait()
    if mode == "failing build":
        raise StoreError("PostgreSQL is not there")
    if mode == "wrong combination":
        raise SettingsError("local.mode does not go with local.password")
    if mode == "resource task":
        await resources.enter(with_a_task())

    worker = TinyWorker(mode, resources)

    async def check() -> Check:
        return Check(ok=worker.has_seat, reason="fine" if worker.has_seat else "seat taken")

    resources.probe.register("tiny", check)
    return worker


if __name__ == "__main__":
    # Short only where it has to run out, so that a slow machine does not matter elsewhere.
    runs_out = any("hanging" in argument for argument in sys.argv)
    sys.exit(main("tiny", TinySettings, build, drain_timeout_s=0.3 if runs_out else 30))
