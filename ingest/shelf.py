"""The last good dump kept in PostgreSQL, for a start on a day without Kite."""

from __future__ import annotations

import numpy as np

from shared.errors import StoreError
from shared.runtime.logs import get_log
from shared.store.instruments import InstrumentTable
from shared.store.late_pool import LatePool
from shared.wire.instruments import INSTRUMENT_DTYPE

log = get_log()


class LateShelf:
    """The table of instruments while it can be reached; a database away stops nothing."""

    def __init__(self, pool: LatePool) -> None:
        self._pool = pool

    async def put(self, version: int, records: np.ndarray, *, fetched_us: int) -> None:
        """Keep a dump, or say why it was not kept."""
        try:
            table = InstrumentTable(await self._pool.get())
            stored = await table.put(version, records, fetched_us=fetched_us)
        except StoreError as error:
            log.warning("instruments.not_stored", reason=str(error))
            return
        log.info(
            "instruments.stored",
            listed=stored.listed,
            delisted=stored.delisted,
            changed=stored.changed,
        )

    async def current(self) -> np.ndarray:
        """Return what was kept last, empty for nothing or for no database."""
        try:
            return await InstrumentTable(await self._pool.get()).current()
        except StoreError as error:
            log.warning("instruments.not_read", reason=str(error))
            return np.empty(0, INSTRUMENT_DTYPE)
