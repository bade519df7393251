"""Waiting for the next change without missing one."""

from __future__ import annotations

import asyncio


class Changes:
    """Counts changes; whoever knows the count it saw last waits for what came after."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Count a change, wake everybody who waits."""
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, after: int | None = None) -> int:
        """Return the count once it is above `after`; None waits for the next change."""
        seen = self.count if after is None else after
        while self.count <= seen:
            await self._next.wait()
        return self.count
