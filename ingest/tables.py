"""PostgreSQL as ingest needs it: useful when it is there, no reason to stop when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.accounts.resolving import Rows
from shared.accounts.sources import TableSource
from shared.errors import LocalError, StoreError
from shared.runtime.resources import Resources
from shared.store.accounts import AccountTable
from shared.store.accounts_vault import Vault
from shared.store.migrate import migrate
from shared.store.pool import Pool, open_pool
from shared.store.settings import PostgresSettings


class Tables:
    """Opens the pool when first asked for it, again and again until that works."""

    def __init__(self, settings: PostgresSettings, resources: Resources) -> None:
        self._settings = settings
        self._resources = resources
        self._pool: Pool | None = None
        self._is_migrated = False
        self._turn = asyncio.Lock()

    async def pool(self) -> Pool:
        """Return the pool, its tables brought up to date.

        Raises:
            StoreError: the server is away, or not one that we can use.
        """
        async with self._turn:
            try:
                if self._pool is None:
                    self._pool = await self._resources.enter(open_pool(self._settings))
                if not self._is_migrated:
                    await migrate(self._pool)
                    self._is_migrated = True
            except LocalError as error:
                raise StoreError(str(error)) from error
            return self._pool


class LateTableSource:
    """The accounts of PostgreSQL, from when it can be reached."""

    name = TableSource.name

    def __init__(self, tables: Tables, vault: Callable[[], Vault]) -> None:
        self._tables = tables
        self._vault = vault

    async def read(self) -> Rows:
        """Return the accounts of the table; raises StoreError."""
        return await (await self._source()).read()

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Write it beside the session; raises StoreError."""
        await (await self._source()).mark_verified(account, version=version, at_us=at_us)

    async def _source(self) -> TableSource:
        return TableSource(AccountTable(await self._tables.pool(), self._vault()))
