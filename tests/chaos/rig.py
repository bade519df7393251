"""The servers, the sandbox and the executors of a chaos run."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from deploy.local.acl import Role
from deploy.local.servers import postgres_server, redis_server
from executor.crash import CrashHook, CrashPoint
from executor.settings import BehaviourSettings, ExecutorSettings
from executor.wiring import build
from shared.accounts.settings import AccountSettings
from shared.clock import SystemClock
from shared.kite.rest import open_rest
from shared.kite.session import KiteSessions
from shared.kite.settings import KiteSettings
from shared.runtime.logs import get_log
from shared.runtime.probe import Probe
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.secret import Secret
from shared.store.migrate import migrate
from shared.store.pool import Pool, open_pool
from shared.store.settings import PostgresSettings
from shared.streams.settings import RedisSettings
from tests.chaos.plan import LAST_PRICE, Crash
from tests.support.sandbox import SandboxAccount, SandboxInfo, running_sandbox

#: Settle times a hundredth or less of the real ones: a loopback broker only, see settings.
CHAOS: Final = BehaviourSettings(
    settle_s=(0.15, 0.4, 0.9),
    allow_short_settle_times=True,
    poll_s_min=0.05,
    poll_s_max=0.3,
    read_block_ms=50,
    retry_s_min=0.05,
    retry_s_max=0.2,
    seat_check_s=0.05,
    attempt_gap_s=0.05,
    target_wait_s=0.8,
    breaker_open_s=0.2,
    positions_s=0.5,
)
DATABASE: Final = "chaos"
#: Accounts of one sandbox; a run has its account to itself, the sandbox is then replaced.
ACCOUNTS: Final = 60
STOP_S: Final = 10.0


class CrashNow(BaseException):
    """Stands for the end of the process: no handler of the program may catch it."""


@dataclass
class Broker:
    """One sandbox, whose accounts are given out once each."""

    info: SandboxInfo
    generation: int
    free: list[SandboxAccount]

    async def ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(self.info._ask, method, path, fields)


class Rig:
    """Everything runs share; `restart_*` take a server away from all of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pool: Pool
        self.redis: Redis
        self._database = DATABASE
        self._servers: dict[str, Any] = {}
        self._stacks: dict[str, AsyncExitStack] = {}

    async def start(self, *, is_new: bool = True) -> None:
        """Start every server; on the files of an earlier rig where it is not new."""
        for name in ("orders", "ticks", "postgres"):
            await self._start(name)
        if is_new:
            await asyncio.to_thread(self._servers["postgres"].create_database, DATABASE)
        await self._connect("orders", "postgres")

    async def borrow(self, *, orders: Any, ticks: Any, postgres: Any, database: str) -> None:
        """Use servers that somebody else runs, in place of `start`; none can be restarted."""
        self._servers = {"orders": orders, "ticks": ticks, "postgres": postgres}
        self._database = database
        await self._connect("orders", "postgres")

    async def stop(self) -> None:
        for stack in reversed(self._stacks.values()):
            await stack.aclose()

    async def restart(self, name: str, away_s: float) -> None:
        """Stop a server as its operator would, start it again on the same files."""
        await self._stacks.pop(f"client of {name}").aclose()
        await self._stacks.pop(name).aclose()
        await asyncio.sleep(away_s)
        await self._start(name)
        await self._connect(name)

    async def _start(self, name: str) -> None:
        stack = self._stacks[name] = AsyncExitStack()
        where = self.directory / name
        server = postgres_server(where) if name == "postgres" else redis_server(name, where)
        self._servers[name] = await stack.enter_async_context(server)

    async def _connect(self, *names: str) -> None:
        for name in names:
            stack = self._stacks[f"client of {name}"] = AsyncExitStack()
            if name == "postgres":
                pool = open_pool(PostgresSettings(url=self.postgres_url, connections_max=4))
                self.pool = await stack.enter_async_context(pool)
                await migrate(self.pool)
            else:
                url = self._servers["orders"].url_for("ops").reveal()
                self.redis = await stack.enter_async_context(Redis.from_url(url))

    def url_of(self, name: str, role: Role) -> Secret:
        """Return the URL of one of the two Redis, for a role."""
        found: Secret = self._servers[name].url_for(role)
        return found

    @property
    def postgres_url(self) -> Secret:
        return self._servers["postgres"].url_of(self._database)

    def settings(self, broker: Broker, account: SandboxAccount) -> ExecutorSettings:
        """Return an executor's settings; its name is unique however often sandboxes change."""
        return ExecutorSettings(
            account=AccountSettings(
                id=f"{account.id}G{broker.generation}",
                api_key=account.api_key,
                access_token=Secret(account.access_token),
            ),
            kite=KiteSettings(rest_url=broker.info.rest_url, ws_url=broker.info.ws_url),
            redis=RedisSettings(
                ticks_url=self._servers["ticks"].url_for("executor"),
                orders_url=self._servers["orders"].url_for("executor"),
            ),
            postgres=PostgresSettings(url=self.postgres_url, connections_min=1, connections_max=3),
            executor=CHAOS,
        )


@asynccontextmanager
async def running_rig() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="tf-chaos-") as name:
        rig = Rig(Path(name))
        try:
            await rig.start()
            yield rig
        finally:
            await rig.stop()


@asynccontextmanager
async def running_broker(seed: int, generation: int) -> AsyncIterator[Broker]:
    """Run a sandbox with fresh accounts, INFY standing still at its last price."""
    chance = random.Random(seed)
    words = []
    for number in range(ACCOUNTS):
        token = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=32))
        words += ["--account", f"CH{number:03d}:key{number:03d}:secret{number:03d}:{token}"]
    async with running_sandbox(seed, ["--step-ms", "500", "--strikes", "1", *words]) as info:
        broker = Broker(info, generation, list(info.accounts))
        await broker.ask("POST", "market", {"frozen": True})
        await broker.ask("POST", "price", {"symbol": "INFY", "price": LAST_PRICE})
        yield broker


def crash_hook(crash: Crash | None) -> tuple[CrashHook, Callable[[], bool]]:
    """Return a hook that dies as told, and stays dead; and whether it has."""
    left = crash.nth if crash else 0
    is_dead = False

    def hook(point: CrashPoint) -> None:
        nonlocal left, is_dead
        if is_dead:
            raise CrashNow(point)  # a dead process reaches no further point
        if crash is None or point is not crash.point:
            return
        left -= 1
        if left == 0:
            is_dead = True
            raise CrashNow(point)

    return hook, lambda: is_dead


@dataclass
class Life:
    """One executor from its start to its end."""

    task: asyncio.Task[None]
    stopping: asyncio.Event
    stack: AsyncExitStack
    has_crashed: Callable[[], bool]
    ended: list[BaseException] = field(default_factory=list)

    async def end(self) -> None:
        """Stop it as a signal would, or find that it has ended already; keep why."""
        self.stopping.set()
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.wait([self.task])
        finally:
            if not self.task.done():
                self.task.cancel()
                await asyncio.wait([self.task])
            await self.stack.aclose()
        error = None if self.task.cancelled() else self.task.exception()
        if error is not None:
            self.ended.append(error)


async def begin(settings: ExecutorSettings, crash: Crash | None, seed: int) -> Life:
    """Start an executor that knows nothing but the stores."""
    stack = AsyncExitStack()
    resources = Resources(
        probe=Probe(ProbeSettings(), worker="executor", registry=CollectorRegistry()),
        clock=SystemClock(),
        log=get_log(),
        random=random.Random(seed),
        stack=stack,
    )
    hook, has_crashed = crash_hook(crash)
    try:
        worker = await build(settings, resources, hook)
    except BaseException:
        await stack.aclose()
        raise
    stopping = asyncio.Event()

    async def live() -> None:
        try:
            await worker.run(stopping)
        except BaseExceptionGroup as group:
            # The loop must not see a BaseException: it would end the run of all the others.
            if not has_crashed():
                raise
            raise RuntimeError("crashed as told") from group

    return Life(asyncio.create_task(live(), name="executor"), stopping, stack, has_crashed)


async def log_in(broker: Broker, account: SandboxAccount) -> SandboxAccount:
    """Return the account with the token of a new login."""
    answer = await broker.ask("POST", "login", {"account": account.id})
    kite = KiteSettings(rest_url=broker.info.rest_url, ws_url=broker.info.ws_url)
    async with open_rest(kite, account.api_key, lambda: Secret("")) as rest:
        session = await KiteSessions(rest).exchange(
            answer["request_token"], Secret(account.api_secret)
        )
    return SandboxAccount(
        account.id, account.api_key, account.api_secret, session.access_token.reveal()
    )
