"""Messages from Faust's agent to who works on them: as many as there are, without a timer."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A bounded hand-over: what comes while one batch is worked on is the next.

    A quiet market waits for nothing, a busy one makes large batches by itself.
    """

    def __init__(self, messages_max: int) -> None:
        self._waiting: asyncio.Queue[T] = asyncio.Queue(messages_max)

    async def put(self, message: T) -> None:
        """Hand a message over; wait while there is no room."""
        await self._waiting.put(message)

    async def take(self, count_max: int) -> list[T]:
        """Wait for a message; return it with those behind it, in order, at most so many."""
        taken = [await self._waiting.get()]
        while len(taken) < count_max and not self._waiting.empty():
            taken.append(self._waiting.get_nowait())
        return taken
