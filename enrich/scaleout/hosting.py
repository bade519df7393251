"""A Faust app told everything that its defaults would decide for us."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TP
from mode import CrashingSupervisor

from enrich.settings import EnrichOptions
from shared.streams.kafka_client import MESSAGE_BYTES_MAX, ssl_context
from shared.streams.kafka_settings import KafkaSettings
from shared.wire.topics import RAW_TICKS

#: The consumer group, and the prefix of everything Faust names.
APP_ID = "tickflow-enrich"
#: Messages in hand of all partitions: one holds up to a megabyte.
BUFFER_MESSAGES = 64
#: Longest wait of Kafka for something new. It answers for all partitions of a broker at once, so a
#: quiet one may hold up a busy one so long; Faust would wait 1,500.
FETCH_WAIT_MS = 50
#: Heartbeats within one session time.
_HEARTBEATS = 4

#: What may be committed of each partition, as offsets of the next message.
Positions = Callable[[], Mapping[int, int]]


def faust_app(kafka: KafkaSettings, options: EnrichOptions, positions: Positions) -> faust.App:
    """Return an app that commits `positions` and nothing else; its agents are yet to be added."""
    servers = [server.strip() for server in kafka.servers.split(",")]
    app = faust.App(
        APP_ID,
        broker=[f"kafka://{server}" for server in servers],
        broker_client_id=options.name or APP_ID,
        broker_credentials=_credentials(kafka),
        broker_session_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=kafka.session_timeout_s / _HEARTBEATS,
        broker_request_timeout=max(kafka.request_timeout_s, kafka.session_timeout_s + 1),
        broker_rebalance_timeout=max(30.0, 2 * kafka.session_timeout_s),
        broker_commit_interval=options.commit_every_s,
        broker_max_poll_records=BUFFER_MESSAGES,
        consumer_max_fetch_size=MESSAGE_BYTES_MAX,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=BUFFER_MESSAGES,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        agent_supervisor=CrashingSupervisor,
        key_serializer="raw",
        value_serializer="raw",
        # Messages come from our own topics, made by whoever writes them.
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        worker_redirect_stdouts=False,
    )
    app.transport.Consumer = _consumer_of(positions)  # type: ignore[misc]  # read from the instance
    return app


def committed_of(app: faust.App, partition: int) -> int:
    """Return the offset that the group has committed of a partition, 0 for none."""
    consumer: Any = app.consumer  # nothing public tells
    return consumer._committed_offset[TP(RAW_TICKS.prefix, partition)] or 0  # noqa: SLF001


async def take_back(app: faust.App, partition: int, offset: int) -> bool:
    """Commit an offset again that lies before what is committed; say whether Kafka took it."""
    consumer: Any = app.consumer  # nothing public commits backwards
    place = TP(RAW_TICKS.prefix, partition)
    taken = bool(await consumer._commit({place: offset}))  # noqa: SLF001
    if taken:
        consumer._committed_offset[place] = offset  # noqa: SLF001
    return taken


def raw_topic(app: faust.App) -> Any:
    """Return the topic of raw ticks as Faust reads it."""
    return app.topic(RAW_TICKS.prefix, key_type=bytes, value_type=bytes, acks=True)


class PromptThread(AIOKafkaConsumerThread):
    """Fetches with a wait of our own."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        made = super()._create_worker_consumer(transport)
        made._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # read where it starts
        return made


def _consumer_of(positions: Positions) -> type[Consumer]:
    class PositionConsumer(Consumer):
        """Commits what is delivered, whatever Faust itself believes to be done."""

        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return PromptThread(self, loop=self.loop, beacon=self.beacon)

        def _filter_tps_with_pending_acks(self, _topics: Any = None) -> Iterator[TP]:
            # Faust's lists would grow for ever, as nobody else takes anything out of them.
            self._acked.clear()
            self._acked_index.clear()
            self._gap.clear()
            return iter(self.assignment())

        def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
            told = positions()
            found = {tp: told[tp.partition] for tp in tps if tp.partition in told}
            return {tp: at for tp, at in found.items() if at > (self._committed_offset[tp] or 0)}

    return PositionConsumer


def _credentials(kafka: KafkaSettings) -> Any:
    context = ssl_context(kafka)
    if kafka.security.startswith("sasl"):
        return faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password.reveal(),
            ssl_context=context,
            mechanism=kafka.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context=context)
