from __future__ import annotations

import pytest

from shared.errors import LocalError, StoreError
from shared.secret import Secret
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings

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
