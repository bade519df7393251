"""The database as the operator's commands reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from shared.errors import SettingsError
from shared.ops.settings import OpsSettings
from shared.store.pool import Pool, open_pool

#: A command does one thing after the other.
_CONNECTIONS: Final = {"connections_min": 1, "connections_max": 2}


@asynccontextmanager
async def database(settings: OpsSettings) -> AsyncIterator[Pool]:
    """Enter a pool of the database the settings name.

    Raises:
        SettingsError: they name none.
        StoreError: it is away.
    """
    if not settings.postgres.url:
        raise SettingsError("no PostgreSQL: set TICKFLOW_POSTGRES__URL; the journal is kept in it")
    async with open_pool(msgspec.structs.replace(settings.postgres, **_CONNECTIONS)) as pool:
        yield pool
