"""Who reads ticks for oneself alone, out of whichever log carries them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

from shared.clock import Clock
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.kafka_reader import KafkaTailReader
from shared.streams.kafka_settings import KafkaSettings, TicksSettings, check
from shared.streams.steady_tail import SteadyTailReader


class Tail(Protocol):
    """Reads every entry of some streams; raises StreamError while their log is away."""

    def add(self, stream: str, position: str | EntryId) -> None:
        """Read `stream` too, after `position`, from the next read on."""
        ...

    async def newest(self, stream: str) -> EntryId:
        """Return an id that no entry of a stream is newer than, so far."""
        ...

    async def read(self) -> list[Entry]:
        """Return new entries; none when the block ran out."""
        ...


#: Makes a reader of at most so many entries at once.
Tails = Callable[[int], Tail]


def tails(
    chosen: tuple[TicksSettings, KafkaSettings],
    redis: Connection,
    *,
    clock: Clock,
    block_ms: int,
    name: str,
    stack: AsyncExitStack,
) -> Tails:
    """Return what makes readers of ticks; they are closed with `stack`.

    Raises:
        SettingsError: Kafka is chosen, but nobody said where it is.
    """
    ticks, kafka = chosen
    if not check(ticks, kafka):
        return lambda count_max: SteadyTailReader(redis, {}, count_max=count_max, block_ms=block_ms)

    def of_kafka(count_max: int) -> Tail:
        reader = KafkaTailReader(
            kafka, {}, clock=clock, count_max=count_max, block_ms=block_ms, name=name
        )
        stack.push_async_callback(reader.close)
        return reader

    return of_kafka
