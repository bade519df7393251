"""An ingest worker inside the test's process, between a sandbox and real Redis."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from ingest import wiring
from ingest.settings import IngestAccount, IngestOptions, IngestPostgres, IngestSettings
from shared.accounts.book_settings import AccountsSettings
from shared.clock import SystemClock
from shared.kite.settings import KiteSettings
from shared.runtime.logs import get_log
from shared.runtime.probe import Probe
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.secret import Secret
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from shared.wire.control import Gap
from shared.wire.topics import GAPS
from tests.support.eventually import eventually
from tests.support.sandbox import SandboxAccount, SandboxInfo

Start = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
async def redis(ticks_redis) -> AsyncIterator[Redis]:
    """Read what ingest wrote, as an operator may."""
    url = ticks_redis.url_for("ops")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as client:
        yield client


@pytest.fixture
def gaps(redis) -> Callable[[], Awaitable[list[Gap]]]:
    """Return the gaps that were told."""

    async def told() -> list[Gap]:
        entries = await redis.xrange(GAPS.name())
        return [msgspec.json.decode(fields[b"json"], type=Gap) for _, fields in entries]

    return told


@pytest.fixture
def start(ticks_redis, orders_redis, sandbox: SandboxInfo) -> Start:
    """Give `start(options, ...)`: an ingest worker, ready, for the length of an `async with`."""
    redis = RedisSettings(
        ticks_url=ticks_redis.url_for("ingest"), orders_url=orders_redis.url_for("ingest")
    )
    kite = KiteSettings(
        rest_url=sandbox.rest_url, ws_url=sandbox.ws_url, socket_close_timeout_s=0.5
    )

    def running(
        options: IngestOptions,
        *,
        account: SandboxAccount | None = None,
        file: Path | str = "",
        postgres: Secret | None = None,
    ) -> AbstractAsyncContextManager[None]:
        settings = IngestSettings(
            redis=redis,
            account=_settings_of(account) if account else IngestAccount(),
            accounts=AccountsSettings(file=str(file), poll_s=0.1),
            postgres=IngestPostgres(url=postgres or Secret("")),
            kite=kite,
            ingest=options,
        )
        return _running(settings)

    return running


def _settings_of(account: SandboxAccount) -> IngestAccount:
    return IngestAccount(
        id=account.id, api_key=account.api_key, access_token=Secret(account.access_token)
    )


@asynccontextmanager
async def _running(settings: IngestSettings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        probe = Probe(ProbeSettings(), worker="ingest")
        resources = Resources(
            probe=probe,
            clock=SystemClock(),
            log=get_log(),
            random=random.Random(1),
            stack=stack,
        )
        worker = await wiring.build(settings, resources)
        probe.started()
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run(stopping), name="ingest")
            await eventually(lambda: _ready(probe))
            yield
            stopping.set()


async def _ready(probe: Probe) -> bool:
    return (await probe.readiness()).status == "pass"
