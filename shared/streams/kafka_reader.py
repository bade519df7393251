"""Every message of some partitions for oneself alone, with the same calls as from Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition  # type: ignore[import-untyped]  # the vendor ships no types
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from shared.clock import Clock
from shared.errors import StreamError
from shared.streams import ids
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from shared.streams.kafka_client import MESSAGE_BYTES_MAX, options, translate
from shared.streams.kafka_entry import Place, place_of, stream_of, to_entry
from shared.streams.kafka_settings import KafkaSettings

_STOP_S = 3.0
#: Longest wait of Kafka for something new: it answers for all partitions of a broker at once, so a
#: quiet one may hold up a busy one so long.
_FETCH_WAIT_MS = 50


class KafkaTailReader:
    """Reads partitions under the names that their streams have in Redis.

    A position is a time as an id: `$` from now on, `0` from the oldest kept, otherwise from the
    first message written at that millisecond or later.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        positions: Mapping[str, str | EntryId],
        *,
        clock: Clock,
        count_max: int = 64,
        block_ms: int = 1000,
        name: str = "tail",
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._count_max = count_max
        self._block_ms = block_ms
        self._name = name
        self._consumer: AIOKafkaConsumer | None = None
        #: Where each partition begins, until its first message is seen.
        self._begins: dict[str, EntryId | None] = {}
        #: The next offset of each partition, once known.
        self._next: dict[str, int] = {}
        self._assigned: set[str] = set()
        for stream, position in positions.items():
            self.add(stream, position)

    def add(self, stream: str, position: str | EntryId) -> None:
        """Read `stream` too, after `position`, from the next read on.

        Raises:
            MessageError: the position is no id.
            ValueError: Kafka does not carry such a stream.
        """
        place_of(stream)
        self._begins[stream] = None if position == "$" else ids.parse(str(position))

    def remove(self, stream: str) -> None:
        """Stop reading `stream` from the next read on."""
        self._begins.pop(stream, None)
        self._next.pop(stream, None)

    async def newest(self, stream: str) -> EntryId:
        """Return an id that no message of a stream is newer than, so far: the time it is now."""
        place_of(stream)
        return EntryId(self._clock.now_ns() // 1_000_000, 0)

    async def read(self) -> list[Entry]:
        """Return new entries, at most `count_max` in all; none when the block ran out.

        Raises:
            StreamError: Kafka refused or vanished; the next read goes on where this one would have.
        """
        if not self._begins:
            await asyncio.sleep(self._block_ms / 1000)
            return []
        try:
            with translate(f"reading {', '.join(list(self._begins)[:3])} from Kafka"):
                consumer = await self._started()
                await self._settle(consumer)
                found = await consumer.getmany(
                    timeout_ms=self._block_ms, max_records=self._count_max
                )
        except StreamError:
            await self.close()
            raise
        records = [record for of_partition in found.values() for record in of_partition]
        for record in records:
            self._next[stream_of(record.topic, record.partition)] = record.offset + 1
        return [entry_of(record) for record in records if self._is_read(record)]

    async def close(self) -> None:
        """End the connection; a later read makes another."""
        consumer, self._consumer = self._consumer, None
        self._assigned.clear()
        if consumer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), _STOP_S)

    def _is_read(self, record: ConsumerRecord) -> bool:
        return stream_of(record.topic, record.partition) in self._begins

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **options(self._settings, self._name),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=MESSAGE_BYTES_MAX,
                fetch_max_wait_ms=min(_FETCH_WAIT_MS, self._block_ms),
            )
            async with AsyncExitStack() as undoing:
                undoing.push_async_callback(consumer.stop)
                await consumer.start()
                undoing.pop_all()
            self._consumer = consumer
        return self._consumer

    async def _settle(self, consumer: AIOKafkaConsumer) -> None:
        """Assign what is read, each partition where it goes on."""
        wanted = set(self._begins)
        if wanted == self._assigned:
            return
        places = {stream: TopicPartition(*place_of(stream)) for stream in wanted}
        consumer.assign(list(places.values()))
        for stream, place in places.items():
            if stream not in self._next:
                self._next[stream] = await self._offset(consumer, place, self._begins[stream])
            consumer.seek(place, self._next[stream])
        self._assigned = wanted

    async def _offset(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, begin: EntryId | None
    ) -> int:
        """Return the first offset at or behind `begin`; None means from now on."""
        if begin == BEFORE_ALL:
            earliest: int = (await consumer.beginning_offsets([place]))[place]
            return earliest
        newest: int = (await consumer.end_offsets([place]))[place]
        if begin is None:
            return newest
        found = (await consumer.offsets_for_times({place: begin.ms}))[place]
        return newest if found is None else int(found.offset)


def entry_of(record: ConsumerRecord) -> Entry:
    """Return the entry of a message."""
    place = Place(record.topic, record.partition)
    return to_entry(place, record.offset, record.timestamp, record.value or b"", record.headers)
