"""An account's journal with its seat taken, as an executor has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.store.journal import Journal
from shared.store.pool import Pool
from shared.store.seat import occupy


@asynccontextmanager
async def seated_journal(
    pool: Pool, account: str, *, owner: str = "test"
) -> AsyncIterator[Journal]:
    """Enter the journal of an account that nobody else holds."""
    async with occupy(pool, account, owner=owner, at_us=1) as seat:
        assert seat is not None, "somebody else holds the account"
        journal = Journal(pool, account)
        journal.sit(seat)
        yield journal
