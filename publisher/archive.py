"""PostgreSQL as the publisher needs it: useful when it is there, missed when it is not."""

from __future__ import annotations

import asyncio

from publisher.api_errors import not_configured
from publisher.http_settings import PublisherPostgres
from shared.errors import LocalError, StoreError
from shared.runtime.resources import Resources
from shared.store.migrate import migrate
from shared.store.order_reads import OrderReads
from shared.store.pool import Pool, open_pool
from shared.store.wants import WantTable
from shared.store.webhooks import WebhookTable


class Archive:
    """Opens the pool when first asked for it, again and again until that works."""

    def __init__(self, settings: PublisherPostgres, resources: Resources) -> None:
        self._settings = settings
        self._resources = resources
        self._pool: Pool | None = None
        self._is_migrated = False
        self._turn = asyncio.Lock()

    @property
    def is_configured(self) -> bool:
        """Tell whether there is a database at all."""
        return bool(self._settings.url)

    async def pool(self) -> Pool:
        """Return the pool, its tables brought up to date.

        Raises:
            StoreError: the server is away, or not one that we can use.
            HttpRefusal: no database is configured.
        """
        if not self._settings.url:
            raise not_configured("what is kept in PostgreSQL", "TICKFLOW_POSTGRES__URL")
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

    async def orders(self) -> OrderReads:
        """Return the journal's reads; raises as `pool` does."""
        return OrderReads(await self.pool())

    async def wants(self) -> WantTable:
        """Return the table of wants; raises as `pool` does."""
        return WantTable(await self.pool())

    async def webhooks(self) -> WebhookTable:
        """Return the tables of webhooks; raises as `pool` does."""
        return WebhookTable(await self.pool())
