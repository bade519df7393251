"""Entries into Kafka, with the same call as into Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # the vendor ships no types
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from shared.clock import Clock
from shared.errors import EntryTooLarge, StreamError
from shared.streams.ids import EntryId
from shared.streams.kafka_client import (
    MESSAGE_BYTES_MAX,
    ensure_topics,
    options,
    reason_of,
    translate,
)
from shared.streams.kafka_entry import place_of, to_message
from shared.streams.kafka_settings import KafkaSettings
from shared.streams.writer import APPENDS_MAX, Append

#: Messages of one partition that wait together travel together, compressed together.
_BATCH_BYTES = 1024 * 1024
#: Longest wait for a producer to end in order.
_STOP_S = 3.0


class KafkaWriter:
    """A writer of ticks: idempotent, written once every copy in sync has it.

    A producer that failed is ended and made anew by the next call: after a broker lost its memory
    its numbering would be refused for ever.
    """

    def __init__(
        self, settings: KafkaSettings, clock: Clock, *, name: str, partitions_min: int = 1
    ) -> None:
        """Topics that are not there are made with at least `partitions_min` partitions."""
        self._partitions_min = partitions_min
        self._settings = settings
        self._clock = clock
        self._name = name
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._partitions: dict[str, int] = {}

    async def append(self, appends: Sequence[Append]) -> list[EntryId]:
        """Write the entries, order kept within a stream; return their ids in the same order.

        Raises:
            EntryTooLarge: Kafka will never take at least one of them, or all of them as one batch.
            StreamError: at least one was refused, or nobody knows; the others may be written.
            ValueError: more than `APPENDS_MAX` at once, or a stream that Kafka does not carry.
        """
        if len(appends) > APPENDS_MAX:
            raise ValueError(f"{len(appends)} appends at once, over {APPENDS_MAX}")
        if not appends:
            return []
        await self._make_room(appends)
        producer = await self._started()
        try:
            return await self._send(producer, appends)
        except StreamError:
            if self._producer is producer:  # others that were writing may have noticed before
                self._producer = None
                await _abandon(producer)
            raise

    async def close(self) -> None:
        """End the producer; what it holds is written or given up."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await asyncio.wait_for(producer.stop(), _STOP_S)
        except (KafkaError, OSError, TimeoutError):
            await _abandon(producer)

    async def ping(self) -> None:
        """Ask Kafka for something.

        Raises:
            StreamError: no answer came.
        """
        producer = await self._started()
        with translate("asking Kafka for its brokers"):
            await producer.client.fetch_all_metadata()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = await self._new_producer()
            return self._producer

    async def _new_producer(self) -> AIOKafkaProducer:
        compression = self._settings.compression
        producer = AIOKafkaProducer(
            **options(self._settings, self._name),
            acks="all",
            enable_idempotence=True,
            compression_type=None if compression == "none" else compression,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MESSAGE_BYTES_MAX,
        )
        async with AsyncExitStack() as undoing:
            undoing.push_async_callback(producer.stop)
            with translate("reaching Kafka"):
                await producer.start()
            undoing.pop_all()
        return producer

    async def _make_room(self, appends: Sequence[Append]) -> None:
        """Make topics and partitions that are not there yet."""
        wanted: dict[str, int] = {}
        for append in appends:
            topic, partition = place_of(append.stream)
            wanted[topic] = max(partition + 1, wanted.get(topic, 0))
        for topic, partitions in wanted.items():
            if partitions <= self._partitions.get(topic, 0):
                continue
            if await self._known(topic) < partitions:
                at_least = max(partitions, self._partitions_min)
                await ensure_topics(self._settings, at_least, self._name)
                await self._await_partitions(topic, partitions)

    async def _known(self, topic: str) -> int:
        """Return how many partitions a topic has, asked anew."""
        producer = await self._started()
        with translate(f"looking for {topic}"):
            found = (await producer.client.fetch_all_metadata()).partitions_for_topic(topic)
        if found:
            # The producer keeps an own list of the topics it writes to, brought up to date here.
            await producer.partitions_for(topic)
            await producer.client.force_metadata_update()
            self._partitions[topic] = len(found)
        return self._partitions.get(topic, 0)

    async def _await_partitions(self, topic: str, partitions: int) -> None:
        """Wait until brokers tell of partitions that were made just now."""
        deadline_s = self._clock.monotonic_s() + self._settings.request_timeout_s
        while await self._known(topic) < partitions:
            if self._clock.monotonic_s() > deadline_s:
                raise StreamError(f"{topic} has not got {partitions} partitions yet")
            await asyncio.sleep(0.05)

    async def _send(self, producer: AIOKafkaProducer, appends: Sequence[Append]) -> list[EntryId]:
        now_ms = self._clock.now_ns() // 1_000_000
        timeout_s = self._settings.request_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                answers = await _answers(producer, appends, now_ms)
        except TimeoutError as error:
            # An idempotent producer waits for ever; nobody would hear that Kafka is away.
            raise _refused(appends, TimeoutError(f"no answer within {timeout_s:g} s")) from error
        for answer in answers:
            if isinstance(answer, BaseException):
                raise _refused(appends, answer) from answer
        return [EntryId(now_ms, answer.offset) for answer in answers]


async def _answers(producer: AIOKafkaProducer, appends: Sequence[Append], now_ms: int) -> list[Any]:
    """Return what became of each append, an error where it was refused, the first of them first."""
    waiting: list[asyncio.Future[Any]] = []
    failures: list[Any] = []
    for append in appends:
        topic, partition = place_of(append.stream)
        value, headers = to_message(append.fields)
        told = {"partition": partition, "timestamp_ms": now_ms, "headers": headers}
        try:
            waiting.append(await producer.send(topic, value, **told))
        except (KafkaError, OSError) as error:
            failures.append(error)
            break
    return failures + list(await asyncio.gather(*waiting, return_exceptions=True))


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer without what it holds: written later, it would lie behind what came after."""
    producer._closed = True  # noqa: SLF001  # nothing public ends it before all is written
    with suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(producer._sender.close(), _STOP_S)  # noqa: SLF001
    with suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(producer.client.close(), _STOP_S)


def _refused(appends: Sequence[Append], error: BaseException) -> StreamError:
    if isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
        largest = max(appends, key=lambda append: append.size_bytes)
        return EntryTooLarge(
            f"an entry of {largest.size_bytes} bytes for {largest.stream} is more than Kafka takes:"
            f" max.message.bytes of the topic should be {MESSAGE_BYTES_MAX}"
        )
    what = f"writing {len(appends)} entries to Kafka, first to {appends[0].stream}"
    return StreamError(f"{what}: {reason_of(error)}")


@asynccontextmanager
async def open_writer(
    settings: KafkaSettings, clock: Clock, *, name: str, partitions_min: int = 1
) -> AsyncIterator[KafkaWriter]:
    """Hold a writer, closed on leaving; nothing is asked of Kafka before the first call."""
    writer = KafkaWriter(settings, clock, name=name, partitions_min=partitions_min)
    try:
        yield writer
    finally:
        await writer.close()
