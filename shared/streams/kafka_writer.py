"""Entries into Kafka, with the same call as into Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.clock import Clock
from shared.errors import StreamError
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

    def __init__(self, settings: KafkaSettings, clock: Clock, *, name: str) -> None:
        self._settings = settings
        self._clock = clock
        self._name = name
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}

    async def append(self, appends: Sequence[Append]) -> list[EntryId]:
        """Write the entries, order kept within a stream; return their ids in the same order.

        Raises:
            StreamError: at least one was refused, or nobody knows; the others may be written.
            ValueError: more than `APPENDS_MAX` at once, or a stream that Kafka does not carry.
        """
        if len(appends) > APPENDS_MAX:
            raise ValueError(f"{len(appends)} appends at once, over {APPENDS_MAX}")
        if not appends:
            return []
        await self._make_room(appends)
        try:
            return await self._send(await self._started(), appends)
        except StreamError:
            await self.close()
            raise

    async def close(self) -> None:
        """End the producer; what it holds is written or given up."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), _STOP_S)

    async def ping(self) -> None:
        """Ask Kafka for something.

        Raises:
            StreamError: no answer came.
        """
        producer = await self._started()
        with translate("asking Kafka for its brokers"):
            await producer.client.fetch_all_metadata()

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            compression = self._settings.compression
            producer = AIOKafkaProducer(
                **options(self._settings, self._name),
                acks="all",
                enable_idempotence=True,
                compression_type=None if compression == "none" else compression,
                max_batch_size=_BATCH_BYTES,
                max_request_size=MESSAGE_BYTES_MAX,
            )
            try:
                with translate("reaching Kafka"):
                    await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _make_room(self, appends: Sequence[Append]) -> None:
        """Make topics and partitions that are not there yet."""
        for append in appends:
            topic, partition = place_of(append.stream)
            if partition < self._partitions.get(topic, 0):
                continue
            await ensure_topics(self._settings, partition + 1, self._name)
            await self._await_partition(topic, partition)

    async def _await_partition(self, topic: str, partition: int) -> None:
        """Wait until the producer knows of a partition, which may have been made just now."""
        producer = await self._started()
        deadline_s = self._clock.monotonic_s() + self._settings.request_timeout_s
        while True:
            with translate(f"looking for {topic}"):
                await producer.client.fetch_all_metadata()
                known = await producer.partitions_for(topic)
            if partition in known:
                self._partitions[topic] = len(known)
                return
            if self._clock.monotonic_s() > deadline_s:
                raise StreamError(f"{topic} has {len(known)} partitions, none for {partition}")
            await asyncio.sleep(0.05)

    async def _send(self, producer: AIOKafkaProducer, appends: Sequence[Append]) -> list[EntryId]:
        now_ms = self._clock.now_ns() // 1_000_000
        waiting: list[asyncio.Future[Any]] = []
        failure: Exception | None = None
        for append in appends:
            topic, partition = place_of(append.stream)
            value, headers = to_message(append.fields)
            try:
                waiting.append(
                    await producer.send(
                        topic,
                        value,
                        partition=partition,
                        timestamp_ms=now_ms,
                        headers=headers,
                    )
                )
            except (KafkaError, OSError) as error:
                failure = error
                break
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                failure = failure or (answer if isinstance(answer, Exception) else None)
        if failure is not None or len(answers) < len(appends):
            what = f"writing {len(appends)} entries to Kafka, first to {appends[0].stream}"
            raise StreamError(f"{what}: {reason_of(failure or KafkaError())}") from failure
        return [EntryId(now_ms, answer.offset) for answer in answers]


@asynccontextmanager
async def open_writer(
    settings: KafkaSettings, clock: Clock, *, name: str
) -> AsyncIterator[KafkaWriter]:
    """Hold a writer, closed on leaving; nothing is asked of Kafka before the first call."""
    writer = KafkaWriter(settings, clock, name=name)
    try:
        yield writer
    finally:
        await writer.close()
