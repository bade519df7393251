from __future__ import annotations

import asyncio

import pytest

from shared.errors import LocalError, StoreError
from shared.store.migrate import Migration, migrate, packaged
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings

pytestmark = pytest.mark.integration

ONE = Migration("0001_pre_one.sql", "CREATE TABLE one (id int)")
TWO = Migration("0002_pre_two.sql", "CREATE TABLE two (id int)")


@pytest.fixture
async def empty(postgres_url):
    async with open_pool(PostgresSettings(url=postgres_url)) as opened:
        yield opened


async def test_migrations_run_once_however_many_programs_start_together(empty):
    applied = await asyncio.gather(*(migrate(empty) for _ in range(5)))
    names = sorted(name for each in applied for name in each)
    assert names == [each.name for each in packaged()]
    assert await migrate(empty) == []


async def test_migration_added_later_is_applied_alone(empty):
    assert await migrate(empty, (ONE,)) == [ONE.name]
    assert await migrate(empty, (ONE, TWO)) == [TWO.name]


async def test_migration_edited_after_it_ran_is_refused(empty):
    await migrate(empty, (ONE,))
    with pytest.raises(LocalError, match=r"0001_pre_one\.sql was edited"):
        await migrate(empty, (Migration(ONE.name, "CREATE TABLE other (id int)"), TWO))


async def test_database_of_a_newer_program_is_refused(empty):
    await migrate(empty, (ONE, TWO))
    with pytest.raises(LocalError, match=r"0002_pre_two\.sql, which this program does not know"):
        await migrate(empty, (ONE,))


async def test_migration_that_fails_leaves_nothing_behind(empty):
    broken = Migration("0002_pre_two.sql", "CREATE TABLE two (id int); SELECT 1 / 0")
    with pytest.raises(StoreError):
        await migrate(empty, (ONE, broken))
    assert await migrate(empty, (ONE, TWO)) == [TWO.name]
