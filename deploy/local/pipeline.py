"""The whole pipeline for as long as a block lasts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deploy.local import environment as env
from deploy.local.acl import Kind, Role
from deploy.local.binaries import find_postgres, find_redis
from deploy.local.claim import Claim, claim
from deploy.local.environment import WORKERS, Sandbox, Urls, Worker
from deploy.local.health import free_ports
from deploy.local.places import private_directory, write_private
from deploy.local.processes import Child, Launch
from deploy.local.servers import postgres_server, redis_server
from deploy.local.settings import ROOT, RunSettings
from deploy.local.supervise import LOOK_S, Ended, StopRequest, Supervisor
from shared.errors import LocalError
from shared.secret import Secret

#: The sandbox lists its instruments before it listens, in seconds.
SANDBOX_START_S = 60.0

UrlOf = Callable[[Role], Secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The command lines of what is no server: ours, or a test's."""

    sandbox: tuple[str, ...] = (sys.executable, "-m", "deploy.sandbox")
    workers: Mapping[Worker, tuple[str, ...]] = field(
        default_factory=lambda: {name: (sys.executable, "-m", name) for name in WORKERS}
    )
    migrates: bool = True


@dataclass(slots=True, kw_only=True)
class Pipeline:
    """A running pipeline: what it consists of, where it is reached."""

    supervisor: Supervisor
    sandbox: Sandbox
    urls: Callable[[Role], Urls]
    probes: Mapping[Worker, int]
    publisher_port: int
    kite_port: int
    operator_file: Path
    ended: list[Ended] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for on the command line, beside the settings."""

    settings: RunSettings
    seed: int
    environment: Mapping[str, str]
    programs: Programs = Programs()


def _tell_nobody(sentence: str) -> None:
    """Keep it."""


@asynccontextmanager
async def pipeline(
    request: Request, stop: StopRequest, tell: Callable[[str], None] = _tell_nobody
) -> AsyncIterator[Pipeline]:
    """Start servers, sandbox, workers in this order; drain them in the order of the flow.

    `stop.asked` ends a start that is under way. `tell` hears what a person waits for, and which
    worker was started again.

    Raises:
        LocalError: something does not start, or ended by itself.
        StartInterrupted: `stop.asked` was set before all was ready.
    """
    state = request.settings.state
    async with AsyncExitStack() as servers:
        held = await servers.enter_async_context(claim(state))
        supervisor = Supervisor(held, stop, tell)
        urls = await _servers(request, held, supervisor, servers)
        running: Pipeline | None = None
        try:
            running = await _workers(request, supervisor, urls)
            yield running
        finally:
            ended = await supervisor.drain((*WORKERS, "sandbox"))
            if running is not None:
                running.ended += ended


async def _servers(
    request: Request, held: Claim, supervisor: Supervisor, stack: AsyncExitStack
) -> Callable[[Role], Urls]:
    given, state = request.settings, held.directory
    postgres_url = given.postgres.url
    if not postgres_url:
        binaries = find_postgres(given.local.postgres_bin)
        postgres = await stack.enter_async_context(
            postgres_server(state / "postgres", binaries=binaries)
        )
        supervisor.watch_also(postgres.child)
        postgres_url = postgres.url
    ticks = await _redis(request, "ticks", supervisor, stack)
    orders = await _redis(request, "orders", supervisor, stack)
    return lambda role: Urls(ticks(role), orders(role), postgres_url)


async def _redis(
    request: Request, kind: Kind, supervisor: Supervisor, stack: AsyncExitStack
) -> UrlOf:
    given = request.settings.redis
    url = given.ticks_url if kind == "ticks" else given.orders_url
    if url:
        return lambda _role: url
    binary = find_redis(request.settings.local.redis_binary)
    directory = request.settings.state / f"redis-{kind}"
    server = await stack.enter_async_context(redis_server(kind, directory, binary=binary))
    supervisor.watch_also(server.child)
    return server.url_for


async def _workers(
    request: Request, supervisor: Supervisor, urls: Callable[[Role], Urls]
) -> Pipeline:
    state = request.settings.state
    sandbox = await _sandbox(request, supervisor)
    if request.programs.migrates:
        await _migrate(urls("ops").postgres)
    workers = list(request.programs.workers)
    wished = request.settings.local
    *probes, publisher_port, kite_port = free_ports(
        [*(0 for _ in workers), wished.publisher_port, wished.kite_port]
    )
    running = Pipeline(
        supervisor=supervisor,
        sandbox=sandbox,
        urls=urls,
        probes=dict(zip(workers, probes, strict=True)),
        publisher_port=publisher_port,
        kite_port=kite_port,
        operator_file=state / "operator.env",
    )
    for name in workers:
        supervisor.start(_worker(name, request, running))
    operator = {
        **env.plain(sandbox),
        **env.revealed(urls("ops"), sandbox.accounts[0]),
        **env.operator(running.probes, running.publisher_port),
    }
    write_private(running.operator_file, env.shell_text(operator))
    await supervisor.wait_ready(running.probes, within_s=request.settings.local.start_timeout_s)
    return running


def _worker(name: Worker, request: Request, running: Pipeline) -> Launch:
    state = request.settings.state
    account = running.sandbox.accounts[0]
    secrets = private_directory(state / "secrets")
    key = env.subscriber_key(secrets / "subscriber.key")
    publishing = {}
    if name == "publisher":
        publishing = {
            **env.trading_file(secrets, running.urls("producer").orders),
            **env.webhooks(secrets / "webhooks.key", request.environment),
        }
    return Launch(
        name=name,
        argv=request.programs.workers[name],
        log=private_directory(state / "logs") / f"{name}.log",
        environment={
            **env.inherited(request.environment),
            **env.plain(running.sandbox),
            **env.ports(running.probes[name], running.publisher_port, running.kite_port),
            **env.subscribers(key, account, request.environment),
            **env.secret_files(secrets, name, running.urls(name), account),
            **publishing,
        },
        directory=ROOT,
    )


async def _sandbox(request: Request, supervisor: Supervisor) -> Sandbox:
    logs = private_directory(request.settings.state / "logs")
    child = supervisor.start(
        Launch(
            name="sandbox",
            argv=(*request.programs.sandbox, "--port", "0", "--seed", str(request.seed)),
            log=logs / "sandbox.log",
            environment=env.inherited(request.environment),
            directory=ROOT,
            output=logs / "sandbox.out",
        )
    )
    said = await _first_line(child, supervisor)
    try:
        sandbox = msgspec.json.decode(said, type=Sandbox)
    except msgspec.DecodeError as error:
        raise LocalError(f"the sandbox's first line is not what was agreed: {error}") from error
    if not sandbox.accounts:
        raise LocalError("the sandbox has no account")
    return sandbox


async def _first_line(child: Child, supervisor: Supervisor) -> bytes:
    assert child.launch.output is not None
    try:
        async with asyncio.timeout(SANDBOX_START_S):
            while True:
                line, newline, _ = child.launch.output.read_bytes().partition(b"\n")
                if newline:
                    return line
                supervisor.check_starting()
                await asyncio.sleep(LOOK_S / 5)
    except TimeoutError as error:
        raise LocalError(
            f"the sandbox did not say where it listens within {SANDBOX_START_S:.0f} s:\n"
            f"{child.log_tail()}"
        ) from error


async def _migrate(url: Secret) -> None:
    # Imported here: the driver takes a moment, and no other part of a local run needs it.
    from shared.store.migrate import migrate
    from shared.store.pool import open_pool
    from shared.store.settings import PostgresSettings

    async with open_pool(PostgresSettings(url=url)) as pool:
        await migrate(pool)
