"""What every connection to Kafka is told, and its errors in our words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic  # type: ignore[import-untyped]  # the vendor ships no types
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code  # type: ignore[import-untyped]

from shared.errors import SettingsError, StreamError
from shared.streams.kafka_entry import CARRIED
from shared.streams.kafka_settings import KafkaSettings

#: One message: an entry of a megabyte of raw ticks, or some thousand records.
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
#: With three copies, two must have a message before it counts as written.
_COPIES_FOR_TWO_IN_SYNC = 3


def options(settings: KafkaSettings, name: str) -> dict[str, Any]:
    """Return the arguments that producers, consumers and administrators share.

    Raises:
        SettingsError: the certificates cannot be read.
    """
    told: dict[str, Any] = {
        "bootstrap_servers": settings.servers,
        "client_id": name,
        "request_timeout_ms": round(settings.request_timeout_s * 1000),
        "security_protocol": settings.security.upper(),
        "ssl_context": ssl_context(settings),
    }
    if settings.security.startswith("sasl"):
        told |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.reveal(),
        }
    return told


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return what protects the connections, None where nothing does.

    Raises:
        SettingsError: the certificates cannot be read.
    """
    if not settings.security.endswith("ssl"):
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise SettingsError(f"kafka.ca_file {settings.ca_file}: {error.strerror}") from error


@contextmanager
def translate(what: str) -> Iterator[None]:
    """Turn the library's errors into one sentence that begins with `what` was being done.

    Raises:
        StreamError: Kafka refused, vanished or kept silent.
    """
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise StreamError(f"{what}: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """Say in words why Kafka did not answer as asked."""
    return str(error).strip().rstrip(".") or type(error).__name__


async def ensure_topics(settings: KafkaSettings, partitions: int, name: str) -> None:
    """Make the topics of ticks with at least so many partitions, one per shard.

    What is there is never made smaller, and keeps its own retention.

    Raises:
        StreamError: Kafka refused or vanished.
    """
    admin = AIOKafkaAdminClient(**options(settings, name))
    with translate("making the topics of ticks"):
        try:
            await admin.start()
            for topic in CARRIED:
                await _ensure_topic(admin, settings, topic.prefix, partitions)
        finally:
            await admin.close()


async def _ensure_topic(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, topic: str, partitions: int
) -> None:
    wanted = NewTopic(topic, partitions, settings.replication, topic_configs=_config(settings))
    answer = await admin.create_topics([wanted])
    code, message = answer.topic_errors[0][1:3]
    error = for_code(code)
    if error is TopicAlreadyExistsError:
        (found,) = await admin.describe_topics([topic])
        if len(found["partitions"]) < partitions:
            await admin.create_partitions({topic: NewPartitions(partitions)})
    elif code:
        raise error(f"topic {topic}: {message}")


def _config(settings: KafkaSettings) -> dict[str, str]:
    in_sync = 2 if settings.replication >= _COPIES_FOR_TWO_IN_SYNC else 1
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(settings.retention_s * 1000),
        "retention.bytes": str(settings.retention_mb * 1024 * 1024),
        "max.message.bytes": str(MESSAGE_BYTES_MAX),
        "min.insync.replicas": str(in_sync),
        # The times we give; lag in seconds is measured from them.
        "message.timestamp.type": "CreateTime",
    }
