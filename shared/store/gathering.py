"""Whoever waits for a writer's turn is written together with whoever has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import StoreError

Item = TypeVar("Item")


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item]):
    item: Item
    #: None until it was tried; then whether it was written.
    is_written: bool | None = None
    error: StoreError | None = None


class Gathering(Generic[Item]):
    """One commit for all that gathered during the commit before: it waits for nobody."""

    def __init__(
        self,
        turn: asyncio.Lock,
        write: Callable[[Sequence[Item]], Awaitable[bool]],
        *,
        items_max: int,
    ) -> None:
        self._turn = turn
        self._write = write
        self._items_max = items_max
        self._waiting: list[_Waiting[Item]] = []

    async def put(self, item: Item) -> bool:
        """Write the item, whoever does it; False where nothing was written.

        Raises:
            StoreError: the server refused or vanished; whether it committed is to be read again.
        """
        own = _Waiting(item)
        self._waiting.append(own)
        try:
            async with self._turn:
                while own.is_written is None:
                    await self._write_gathered()
        finally:
            if own in self._waiting:  # cancelled before its turn: nobody else may write it
                self._waiting.remove(own)
        if own.error is not None:
            # One of its own for each: tracebacks of several tasks do not belong on one.
            raise StoreError(str(own.error)) from own.error
        return bool(own.is_written)

    async def _write_gathered(self) -> None:
        gathered = self._waiting[: self._items_max]
        del self._waiting[: self._items_max]
        is_written = False
        error: StoreError | None = StoreError("the writer ended before its commit was confirmed")
        try:
            is_written = await self._write([each.item for each in gathered])
            error = None
        except StoreError as found:
            error = found
        finally:
            for each in gathered:
                each.is_written, each.error = is_written, error
