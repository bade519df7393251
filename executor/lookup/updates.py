"""What the broker says of its orders, from the stream into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from executor.desk import Desk
from executor.journal.echoes import Echoes
from executor.journal.sightings import sight
from executor.metrics import DEAD
from executor.rules.backlog import Backlog
from executor.rules.reducer import BrokerOrder, parse_row
from shared.errors import MessageError
from shared.streams.entry import Entry
from shared.streams.reader import GroupReader
from shared.wire.codec import decode
from shared.wire.orders import BrokerUpdate


class Updates:
    """Applies every update; an entry is acknowledged when the journal has it."""

    def __init__(
        self,
        *,
        reader: GroupReader,
        desk: Desk,
        backlog: Backlog,
        echoes: Echoes,
        work: asyncio.Event,
    ) -> None:
        self._reader = reader
        self._echoes = echoes
        self._journal = desk.journal
        self._backlog = backlog
        self._clock = desk.clock
        self._sync_soon = desk.sync_soon
        self._work = work
        self._pending: list[Entry] = []

    async def take_over(self) -> None:
        """Apply what an earlier process of this account read and did not acknowledge.

        Raises:
            StreamError: Redis is away.
            StoreError: PostgreSQL is away.
        """
        await self._reader.ensure()
        await self._apply(())
        while entries := await self._reader.claim_abandoned(0):
            await self._apply(entries)

    async def step(self) -> None:
        """Read once, apply, acknowledge.

        Raises:
            StreamError: Redis is away.
            StoreError: PostgreSQL is away; what was read is applied next time.
        """
        await self._apply(())
        await self._apply(await self._reader.read())

    async def _apply(self, entries: Sequence[Entry]) -> None:
        self._pending += entries
        if not self._pending:
            return
        seen: list[BrokerOrder] = []
        good: list[Entry] = []
        for entry in tuple(self._pending):
            try:
                # What our own look has found is in the journal already.
                if not self._echoes.hear(entry.id):
                    seen.append(_order_of(entry))
                good.append(entry)
            except MessageError as error:
                await self._reader.dead_letter(entry, str(error), entry.deliveries)
                self._pending.remove(entry)
                DEAD.labels(stream="updates").inc()
        news: list[BrokerOrder] = []
        if seen:
            async with self._journal.change(at_us=self._clock.now_ns() // 1000) as change:
                news = await sight(change, seen)
        await self._reader.acknowledge(good)
        self._pending.clear()
        if any(order.filled_quantity for order in news):
            self._sync_soon.set()
        if news:
            self._backlog.wake()
            self._work.set()


def _order_of(entry: Entry) -> BrokerOrder:
    update: BrokerUpdate = decode(entry.fields, BrokerUpdate)
    return parse_row(bytes(update.row), observed_us=update.received_at_us)
