"""The output of one partition on its way: in order, while the next batch is being made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

#: Batches of a partition that are made and not acknowledged; one of them is being written.
PENDING_MAX = 2

#: Writes one batch and says whether it is written; told False, it may not, as one before was not.
Deliver = Callable[[bool], Awaitable[bool]]


class Deliveries:
    """A line of batches, each begun once all of the one before it is written.

    The first that is not written ends the line: what stands behind it would be out of order.
    """

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(PENDING_MAX)
        self._last: asyncio.Task[bool] | None = None

    async def room(self) -> None:
        """Wait until a batch may be added; it has to be added then."""
        await self._room.acquire()

    def add(self, deliver: Deliver) -> None:
        """Let a batch be written behind the others, which go on by themselves."""
        before = self._last
        self._last = asyncio.create_task(self._follow(before, deliver), name="delivery")

    async def settle(self) -> None:
        """Wait until everything that was added is written, or given up."""
        if self._last is not None:
            await asyncio.wait({self._last})

    async def _follow(self, before: asyncio.Task[bool] | None, deliver: Deliver) -> bool:
        try:
            return await deliver(before is None or await before)
        finally:
            self._room.release()
