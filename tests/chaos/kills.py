"""Real processes: killed at any moment, or stopped while another takes over."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from dataclasses import replace
from typing import Any, Final

from shared.store.pool import open_pool
from shared.wire.topics import EVENTS
from tests.chaos.drive import Run, Verdict
from tests.chaos.plan import Scenario, draw
from tests.chaos.rig import CHAOS, Broker, Rig
from tests.support.sandbox import ROOT

KILLED: Final = "kill -9"
STOPPED: Final = "SIGSTOP of the owner"
KILL_FAULTS: Final = frozenset({KILLED, STOPPED})
START_S: Final = 30.0
SETTLE_S: Final = 60.0
#: The event a killing waits for is one of the first so many; whichever comes it dies within a blink.
EVENTS_MAX: Final = 12
BLINK_S: Final = 0.02


class Killing(Run):
    """A run whose executors are processes."""

    async def __call__(self) -> Verdict:
        began_s = time.monotonic()
        since = (await self._broker.ask("GET", "state"))["received"]["sequence"]
        for wish in self._what.wishes:
            await self._broker.ask("POST", "faults", {"account": self._account.id, **wish})
        first = await self._start()
        try:
            await self._write(self._what.commands)
            await self._until_told(self._chance.randint(1, EVENTS_MAX), first)
            await asyncio.sleep(self._chance.random() * BLINK_S)
            last = await self._take_over(first)
        finally:
            await _end(first)
        try:
            await self._until_seated(last)
            await self._until_settled(last)
        finally:
            await _end(last)
        if last.returncode != 0:
            self._verdict.wrong.append(f"the last executor ended with {last.returncode}")
        await self._judge(since)
        self._verdict.seconds = time.monotonic() - began_s
        return self._verdict

    async def _take_over(self, first: asyncio.subprocess.Process) -> asyncio.subprocess.Process:
        self._verdict.crashed += 1
        if self._what.fault == KILLED:
            first.kill()
            return await self._start()
        last = await self._start()
        first.send_signal(signal.SIGSTOP)
        await self._cut_off()
        await self._until_settled(last, within_s=self._chance.random() * 3)
        first.send_signal(signal.SIGCONT)
        return last

    async def _cut_off(self) -> None:
        """End the database sessions of the stopped owner, as their keep-alive would in time."""
        async with open_pool(self._settings.postgres) as pool, pool.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint)"
                " = hashtextextended('tickflow.executor.' || $1, 0)",
                self._name,
            )

    async def _start(self) -> asyncio.subprocess.Process:
        self._verdict.lives += 1
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "executor"),
            cwd=ROOT,
            env=environment(self._settings),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def _until_told(self, count: int, process: asyncio.subprocess.Process) -> None:
        ends_s = time.monotonic() + START_S
        while time.monotonic() < ends_s and process.returncode is None:
            told = await self._rig.redis.xlen(EVENTS.name(self._name))
            if told >= min(count, 2 * len(self._kinds)):
                return
            await asyncio.sleep(0.002)

    async def _until_seated(self, process: asyncio.subprocess.Process) -> None:
        """Wait until it works: a signal before that ends it as it would any Python program."""
        ends_s = time.monotonic() + START_S
        while time.monotonic() < ends_s and process.returncode is None:
            async with self._rig.pool.connection() as connection:
                owner = await connection.fetchval(
                    "SELECT owner FROM order_accounts WHERE account = $1", self._name
                )
            if owner is not None and owner.endswith(f":{process.pid}"):
                return
            await asyncio.sleep(0.05)

    async def _until_settled(
        self, process: asyncio.subprocess.Process, *, within_s: float = SETTLE_S
    ) -> None:
        life: Any = _Alive(process)
        await self._until_over(life, within_s=within_s)


class _Alive:
    """A process, asked as the task of an executor in this process is."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.task = self

    def done(self) -> bool:
        return self._process.returncode is not None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


def environment(settings: Any) -> dict[str, str]:
    """Return the settings as a process reads them."""
    words = {
        "PATH": os.defpath,
        "TICKFLOW_ACCOUNT__ID": settings.account.id,
        "TICKFLOW_ACCOUNT__API_KEY": settings.account.api_key,
        "TICKFLOW_ACCOUNT__ACCESS_TOKEN": settings.account.access_token.reveal(),
        "TICKFLOW_KITE__REST_URL": settings.kite.rest_url,
        "TICKFLOW_REDIS__TICKS_URL": settings.redis.ticks_url.reveal(),
        "TICKFLOW_REDIS__ORDERS_URL": settings.redis.orders_url.reveal(),
        "TICKFLOW_POSTGRES__URL": settings.postgres.url.reveal(),
    }
    for name in CHAOS.__struct_fields__:
        value = getattr(CHAOS, name)
        if value != getattr(type(CHAOS)(), name):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words[f"TICKFLOW_EXECUTOR__{name.upper()}"] = (
                text.lower() if isinstance(value, bool) else text
            )
    return words


def drawn(seed: int) -> Scenario:
    """Return the killing of a seed: every third with an owner that is stopped instead."""
    chance = random.Random(f"kill {seed}")
    fault = STOPPED if seed % 3 == 0 else KILLED
    what = draw(chance.randrange(1 << 30))
    wishes = what.wishes if chance.random() < 0.5 else ()
    return replace(what, seed=seed, fault=fault, crashes=(), wishes=wishes, early=0)


async def kill(rig: Rig, broker: Broker, seed: int) -> Verdict:
    """Do one killing."""
    what = drawn(seed)
    return await Killing(rig, broker, broker.free.pop(), what)()
