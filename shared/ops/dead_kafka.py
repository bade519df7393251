"""Dead letters of ticks that travel through Kafka: kept in Redis, played back into the topic."""

from __future__ import annotations

from shared.clock import Clock
from shared.ops.reach import CLIENT_NAME
from shared.ops.settings import OpsSettings
from shared.streams.dead_letters import DeadLetter
from shared.streams.kafka_entry import CARRIED, place_of
from shared.streams.kafka_settings import check
from shared.streams.kafka_writer import open_writer
from shared.streams.writer import Append


def travels_there(settings: OpsSettings, stream: str) -> bool:
    """Say whether those who read `stream` read it from Kafka.

    Raises:
        SettingsError: Kafka is chosen, but nobody said where it is.
    """
    carried = stream.rpartition(".")[0] in {topic.prefix for topic in CARRIED}
    return carried and check(settings.ticks, settings.kafka)


async def write(settings: OpsSettings, clock: Clock, letter: DeadLetter) -> str:
    """Write the letter's entry to its partition again; return its new number.

    Raises:
        EntryTooLarge: Kafka still takes nothing so large.
        StreamError: Kafka refused or vanished; the entry may be there.
    """
    prefix, partition = place_of(letter.stream)
    (topic,) = [topic for topic in CARRIED if topic.prefix == prefix]
    async with open_writer(settings.kafka, clock, name=CLIENT_NAME) as writer:
        (entry_id,) = await writer.append([Append(topic, partition, letter.fields)])
    return str(entry_id)
