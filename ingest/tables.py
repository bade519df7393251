"""PostgreSQL as ingest needs it: useful when it is there, no reason to stop when it is not."""

from __future__ import annotations

from collections.abc import Callable

from shared.accounts.resolving import Rows
from shared.accounts.sources import TableSource
from shared.store.accounts import AccountTable
from shared.store.accounts_vault import Vault
from shared.store.late_pool import LatePool


class LateTableSource:
    """The accounts of PostgreSQL, from when it can be reached."""

    name = TableSource.name

    def __init__(self, pool: LatePool, vault: Callable[[], Vault]) -> None:
        self._pool = pool
        self._vault = vault

    async def read(self) -> Rows:
        """Return the accounts of the table; raises StoreError."""
        return await (await self._source()).read()

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Write it beside the session; raises StoreError."""
        await (await self._source()).mark_verified(account, version=version, at_us=at_us)

    async def _source(self) -> TableSource:
        return TableSource(AccountTable(await self._pool.get(), self._vault()))
