"""A pool that a worker can do without: opened when first asked for, again and again until it is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from shared.errors import LocalError, StoreError
from shared.store.migrate import migrate
from shared.store.pool import Pool, open_pool
from shared.store.settings import PostgresSettings


class LatePool:
    """Opens the pool onto a worker's stack when somebody needs it; one opens, the others wait."""

    def __init__(self, settings: PostgresSettings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._pool: Pool | None = None
        self._is_migrated = False
        self._turn = asyncio.Lock()

    async def get(self) -> Pool:
        """Return the pool, its tables brought up to date.

        Raises:
            StoreError: the server is away, or not one that we can use.
        """
        async with self._turn:
            try:
                if self._pool is None:
                    self._pool = await self._stack.enter_async_context(open_pool(self._settings))
                if not self._is_migrated:
                    await migrate(self._pool)
                    self._is_migrated = True
            except LocalError as error:
                raise StoreError(str(error)) from error
            return self._pool
