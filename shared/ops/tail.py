"""Reads streams until enough was seen."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping

import numpy as np

from shared.clock import Clock
from shared.errors import MessageError
from shared.ops.reach import heed_interrupt
from shared.ops.tick_rows import Records
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.reader import TailReader
from shared.wire.ticks import TICK_DTYPE

#: Entries of one read a stream; its longest wait in milliseconds: an end is noticed that late.
ENTRIES_MAX = 256
BLOCK_MS = 250


class Deadline:
    """A moment after which nobody waits any more; None for never."""

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._at_s = math.inf if seconds is None else clock.monotonic_s() + seconds

    def is_over(self) -> bool:
        """Tell whether it has passed."""
        return self._clock.monotonic_s() >= self._at_s


async def reads(
    redis: Connection, positions: Mapping[str, str | EntryId], deadline: Deadline
) -> AsyncIterator[list[Entry]]:
    """Give what is added after the positions, read by read, an empty one where nothing came.

    Raises:
        StreamError: Redis refused or vanished.
    """
    reader = TailReader(redis, positions, count_max=ENTRIES_MAX, block_ms=BLOCK_MS)
    while not deadline.is_over():
        entries = await reader.read()
        heed_interrupt()
        yield entries


def records_of(entry: Entry) -> Records:
    """Return the tick records of an entry of an enriched stream.

    Raises:
        MessageError: the entry is not of this layout.
    """
    try:
        return np.frombuffer(entry.fields[b"r"], TICK_DTYPE)
    except (KeyError, ValueError) as error:
        raise MessageError(
            f"{entry.stream} {entry.id} has no tick records of this layout: {error}"
        ) from error
