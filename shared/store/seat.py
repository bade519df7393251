"""One executor at a time per account.

A session's advisory lock keeps a second executor waiting; the fence, which grows with every owner
and which every transaction checks, stops a first one that lost its session without noticing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.store.pool import Connection, Pool, translate


@dataclass(frozen=True, slots=True)
class Seat:
    """The right to trade for an account, while its session lives."""

    account: str
    owner: str
    fence: int
    session: Connection

    async def check(self) -> None:
        """Ask the session whether it still lives.

        Raises:
            StoreError: it does not, and with it the lock is gone.
        """
        with translate("no answer from the session that holds the seat"):
            await self.session.fetchval("SELECT 1")


@asynccontextmanager
async def occupy(pool: Pool, account: str, *, owner: str, at_us: int) -> AsyncIterator[Seat | None]:
    """Try once to take the account's seat; None while another executor sits on it.

    Raises:
        StoreError: the server went away; inside the block the seat may already be another's.
    """
    async with pool.session() as session:
        yield await _take(session, account, owner, at_us)


async def _take(session: Connection, account: str, owner: str, at_us: int) -> Seat | None:
    with translate("no answer to taking the seat"):
        is_free = await session.fetchval(
            "SELECT pg_try_advisory_lock(hashtextextended('tickflow.executor.' || $1, 0))", account
        )
        if not is_free:
            return None
        fence = await session.fetchval(
            """
            INSERT INTO order_accounts AS held (account, fence, owner, held_since_us)
            VALUES ($1, 1, $2, $3)
            ON CONFLICT (account) DO UPDATE
            SET fence = held.fence + 1, owner = $2, held_since_us = $3
            RETURNING fence
            """,
            account,
            owner,
            at_us,
        )
    return Seat(account, owner, fence, session)
