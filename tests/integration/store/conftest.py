"""A migrated database with its journal."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from shared.store.journal import Journal
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.seat import occupy
from shared.store.settings import PostgresSettings

ACCOUNT = "AB1234"


@pytest.fixture
async def pool(postgres_url):
    async with open_pool(PostgresSettings(url=postgres_url)) as opened:
        await migrate(opened)
        yield opened


@pytest.fixture
def seated(pool):
    """Give a function that enters a journal with its seat taken."""

    @asynccontextmanager
    async def enter(owner="one"):
        async with occupy(pool, ACCOUNT, owner=owner, at_us=1) as seat:
            assert seat is not None
            journal = Journal(pool, ACCOUNT)
            journal.sit(seat)
            yield journal

    return enter


@pytest.fixture
async def journal(seated):
    async with seated() as taken:
        yield taken
