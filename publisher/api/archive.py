"""PostgreSQL as the publisher needs it: useful when it is there, missed when it is not."""

from __future__ import annotations

from publisher.api.errors import not_configured
from publisher.http_settings import PublisherPostgres
from shared.runtime.resources import Resources
from shared.store.late_pool import LatePool
from shared.store.order_reads import OrderReads
from shared.store.pool import Pool
from shared.store.wants import WantTable
from shared.store.webhooks import WebhookTable


class Archive:
    """What is kept there, for whoever asks; opened when first asked for."""

    def __init__(self, settings: PublisherPostgres, resources: Resources) -> None:
        self._url = settings.url
        self._late = LatePool(settings, resources.stack)

    @property
    def is_configured(self) -> bool:
        """Tell whether there is a database at all."""
        return bool(self._url)

    async def pool(self) -> Pool:
        """Return the pool, its tables brought up to date.

        Raises:
            StoreError: the server is away, or not one that we can use.
            HttpRefusal: no database is configured.
        """
        if not self._url:
            raise not_configured("what is kept in PostgreSQL", "TICKFLOW_POSTGRES__URL")
        return await self._late.get()

    async def orders(self) -> OrderReads:
        """Return the journal's reads; raises as `pool` does."""
        return OrderReads(await self.pool())

    async def wants(self) -> WantTable:
        """Return the table of wants; raises as `pool` does."""
        return WantTable(await self.pool())

    async def webhooks(self) -> WebhookTable:
        """Return the tables of webhooks; raises as `pool` does."""
        return WebhookTable(await self.pool())
