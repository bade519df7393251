"""Entries as messages of Kafka: a stream per shard becomes a partition of one topic.

The field with the most bytes is the message's value; the others travel as headers under their own
names. The header `tickflow.body` names the field that became the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.errors import MessageError
from shared.streams import ids
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS, Topic

Buffer = bytes | bytearray | memoryview
Headers = Sequence[tuple[str, bytes]]

#: What travels through Kafka; all else is small, and stays where consumers look for it.
CARRIED: tuple[Topic, ...] = (RAW_TICKS, ENRICHED_TICKS)
BODY_HEADER = "tickflow.body"
#: The id an entry had in Redis, where a bridge carried it over: its lineage stays what it was.
ID_FIELD = b"tickflow.id"
#: Lineage has 32 bits for the second part of an id; an offset has 63.
_SEQUENCE_BITS = 0xFFFF_FFFF


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


def place_of(stream: str) -> Place:
    """Return where Kafka keeps what Redis would keep in `stream`.

    Raises:
        ValueError: it is no stream that Kafka carries.
    """
    prefix, _, part = stream.rpartition(".")
    if prefix not in {topic.prefix for topic in CARRIED} or not part.isdigit():
        raise ValueError(f"{stream} is not carried by Kafka")
    return Place(prefix, int(part))


def stream_of(topic: str, partition: int) -> str:
    """Return the name of the stream that a partition stands for."""
    return f"{topic}.{partition}"


def to_message(fields: Mapping[bytes, Buffer]) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return value and headers of the message that carries these fields.

    Raises:
        ValueError: there is no field.
    """
    if not fields.keys() - {ID_FIELD}:
        raise ValueError("an entry without fields cannot be carried")
    contents = [name for name in fields if name != ID_FIELD]
    body = max(contents, key=lambda name: memoryview(fields[name]).nbytes)
    headers = [(name.decode(), bytes(value)) for name, value in fields.items() if name != body]
    return bytes(fields[body]), [*headers, (BODY_HEADER, body)]


def to_entry(place: Place, offset: int, timestamp_ms: int, value: bytes, headers: Headers) -> Entry:
    """Return the entry that a message carries.

    A message that is not ours becomes an entry with the one field "": whoever decodes it finds its
    own fields missing, and gives it up as it would give up an entry of Redis.
    """
    fields = {name.encode(): bytes(content) for name, content in headers}
    body = fields.pop(BODY_HEADER.encode(), b"")
    entry_id = _carried(fields.pop(ID_FIELD, b""))
    fields[body] = value
    own_id = EntryId(timestamp_ms, offset & _SEQUENCE_BITS)
    return Entry(stream_of(*place), entry_id or own_id, fields)


def _carried(text: bytes) -> EntryId | None:
    try:
        return ids.parse(text) if text else None
    except MessageError:
        return None
