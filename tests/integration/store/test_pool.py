from __future__ import annotations

import asyncio
import io
import json
import logging
from contextlib import contextmanager, suppress

import pytest
import structlog
from prometheus_client import REGISTRY

from shared.clock import SystemClock
from shared.errors import LocalError, StoreError
from shared.runtime import logs
from shared.runtime.settings import LogSettings
from shared.secret import Secret
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


async def test_pool_refused_statement_becomes_a_store_error_without_its_values(pool):
    with pytest.raises(StoreError, match="UndefinedTableError"):
        async with pool.connection() as connection:
            await connection.fetch("SELECT * FROM nowhere WHERE secret = $1", "hush")


async def test_pool_unreachable_server_becomes_a_store_error(tmp_path):
    settings = PostgresSettings(url=Secret(f"postgresql://nobody@/none?host={tmp_path}"))
    with pytest.raises(StoreError):
        async with open_pool(settings):
            pass


async def test_pool_server_that_may_lose_commits_is_refused(postgres, postgres_url):
    database = postgres_url.reveal().split("@/")[1].split("?")[0]
    postgres.administer(f'ALTER DATABASE "{database}" SET synchronous_commit = off')
    with pytest.raises(LocalError, match="synchronous_commit is off"):
        async with open_pool(PostgresSettings(url=postgres_url)):
            pass


async def test_pool_broken_block_rolls_the_transaction_back(pool):
    async def fail():
        async with pool.transaction() as connection:
            await connection.execute("CREATE TABLE half (done int)")
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('half')") is None


async def test_pool_wait_for_a_statement_that_ends_says_what_was_awaited_and_how_long(postgres_url):
    settings = PostgresSettings(url=postgres_url, statement_timeout_s=0.2)
    async with open_pool(settings) as pool:
        with pytest.raises(
            StoreError, match=r"^PostgreSQL: no answer to a statement within 0\.2 s$"
        ):
            async with pool.connection() as connection:
                await connection.fetchval("SELECT pg_sleep(30)")


async def test_pool_wait_for_a_connection_that_ends_says_what_was_awaited_and_how_long(
    postgres_url,
):
    settings = PostgresSettings(
        url=postgres_url, connections_min=1, connections_max=2, acquire_timeout_s=0.2
    )
    async with open_pool(settings) as pool, pool.connection(), pool.connection():
        before = waits()
        with pytest.raises(StoreError, match=r"^PostgreSQL: no connection within 0\.2 s$"):
            async with pool.connection():
                pass
    # A wait that was given up is among those that are measured, at its length.
    count, sum_s = waits()
    assert count - before[0] == 1
    assert sum_s - before[1] >= 0.2


async def test_pool_measures_a_wait_once_however_its_block_ends(pool):
    count, _ = waits()
    async with pool.connection():
        pass
    with pytest.raises(StoreError):
        async with pool.connection() as connection:
            await connection.execute("SELECT 1 / 0")
    assert waits()[0] - count == 2


def waits():
    """Return how many waits for a connection were measured, and their seconds."""
    name = "tickflow_postgres_connection_wait_seconds"
    return tuple(REGISTRY.get_sample_value(f"{name}_{each}") for each in ("count", "sum"))


async def test_pool_server_that_takes_connections_and_is_silent_says_so_with_the_limit():
    is_over = asyncio.Event()

    async def say_nothing(reader, writer):
        await reader.read()
        writer.close()
        await writer.wait_closed()
        is_over.set()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = PostgresSettings(
            url=Secret(f"postgresql://nobody@127.0.0.1:{port}/none"), connect_timeout_s=0.2
        )
        with pytest.raises(StoreError, match=r"no connection could be opened within 0\.2 s$"):
            async with open_pool(settings):
                pass
        await asyncio.wait_for(is_over.wait(), 10)


async def test_pool_whose_server_refuses_logs_its_retries_in_lines_without_a_traceback(
    postgres, postgres_url
):
    database = postgres_url.reveal().split("@/")[1].split("?")[0]
    stream = io.StringIO()
    with configured(stream):
        async with open_pool(PostgresSettings(url=postgres_url, connections_min=2)) as pool:
            await asyncio.to_thread(
                postgres.administer, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false'
            )
            terminate = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
            await asyncio.to_thread(postgres.administer, terminate)

            async def is_told():
                with suppress(StoreError):
                    await pool.ping()
                return stream.getvalue()

            await eventually(is_told)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["logger"] for line in told} == {"asyncpg.pool"}
    assert "not currently accepting connections" in told[0]["error"]
    assert not any("exception" in line for line in told)


@contextmanager
def configured(stream):
    """Write all that is logged meanwhile to the stream, as a worker does."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(LogSettings(), worker="executor", clock=SystemClock(), stream=stream)
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
