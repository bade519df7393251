"""Fixtures for the real servers: started when first asked for, stopped with the session."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from deploy.local.acl import Kind
from deploy.local.postgres import PostgresServer
from deploy.local.redis import RedisServer
from deploy.local.servers import postgres_server, redis_server
from shared.secret import Secret
from shared.store.settings import PostgresSettings
from tests.support.redis_binaries import at_hand

_KEYS_PER_LOOK = 1_000
#: A connection is opened in 0.1 s here, in 8 s beside sixty times as much other work.
_PATIENCE_S = 60.0


def patient(url: Secret) -> PostgresSettings:
    """Return settings whose limits only end what will not be: the machine may be busy elsewhere."""
    return PostgresSettings(
        url=url,
        connect_timeout_s=_PATIENCE_S,
        acquire_timeout_s=_PATIENCE_S,
        statement_timeout_s=_PATIENCE_S,
    )


@pytest.fixture(scope="session")
def server_loop() -> Iterator[asyncio.Runner]:
    """Carry the servers from test to test; nothing of a test runs on it."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """Give a short 0700 directory, since a socket's path must fit into 108 bytes."""
    path = Path(tempfile.mkdtemp(prefix="tickflow-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def ticks_redis_server(
    server_loop: asyncio.Runner, server_directory: Path
) -> Iterator[RedisServer]:
    """Run the Redis of market data for the session."""
    yield from run_redis("ticks", server_loop, server_directory)


@pytest.fixture(scope="session")
def orders_redis_server(
    server_loop: asyncio.Runner, server_directory: Path
) -> Iterator[RedisServer]:
    """Run the Redis of orders for the session."""
    yield from run_redis("orders", server_loop, server_directory)


@pytest.fixture
def ticks_redis(ticks_redis_server: RedisServer) -> RedisServer:
    """Give the Redis of market data, empty: `ticks_redis.url_for("ingest").reveal()`."""
    _empty(ticks_redis_server)
    return ticks_redis_server


@pytest.fixture
def orders_redis(orders_redis_server: RedisServer) -> RedisServer:
    """Give the Redis of orders, empty: `orders_redis.url_for("executor").reveal()`."""
    _empty(orders_redis_server)
    return orders_redis_server


@pytest.fixture(scope="session")
def postgres(server_loop: asyncio.Runner, server_directory: Path) -> Iterator[PostgresServer]:
    """Run a PostgreSQL for the session."""
    running = postgres_server(server_directory / "postgres", keep=False)
    server = server_loop.run(_enter(running))
    yield server
    server_loop.run(_leave(running))


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[Secret]:
    """Give the URL of a fresh, empty database: `postgres_url.reveal()`."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url_of(name)
    postgres.drop_database(name)


def run_redis(
    kind: Kind, runner: asyncio.Runner, directory: Path, version: str = ""
) -> Iterator[RedisServer]:
    """Run a Redis of a version at hand: the embedded one, wherever there is one, unless told."""
    found = at_hand()
    binary = found[version] if version else next(iter(found.values()), None)
    running = redis_server(kind, directory / f"{kind}{version}", binary=binary)
    yield runner.run(_enter(running))
    runner.run(_leave(running))


def _empty(server: RedisServer) -> None:
    client = redis.Redis.from_url(server.url_for("ops").reveal())
    with client:
        for key in client.scan_iter(count=_KEYS_PER_LOOK):
            client.unlink(key)


async def _enter(running):
    return await running.__aenter__()


async def _leave(running) -> None:
    await running.__aexit__(None, None, None)
