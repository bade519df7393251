"""A migrated database with its journal."""

from __future__ import annotations

import pytest

from shared.store.migrate import migrate
from shared.store.pool import open_pool
from tests.support.seated import seated_journal
from tests.support.servers import patient

ACCOUNT = "AB1234"


@pytest.fixture
async def pool(postgres_url):
    async with open_pool(patient(postgres_url)) as opened:
        await migrate(opened)
        yield opened


@pytest.fixture
def seated(pool):
    """Give a function that enters a journal with its seat taken."""

    def enter(owner="one"):
        return seated_journal(pool, ACCOUNT, owner=owner)

    return enter


@pytest.fixture
async def journal(seated):
    async with seated() as taken:
        yield taken
