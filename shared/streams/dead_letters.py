"""What is kept of an entry that was given up, as fields."""

from __future__ import annotations

from typing import NamedTuple

from redis.asyncio import Redis

from shared.errors import MessageError
from shared.streams import ids
from shared.streams.client import call
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire import topics

#: The original fields keep their names behind this, so none can collide with ours.
PREFIX = b"field."
#: Dead ticks are evidence, not history: an entry may hold a megabyte. Orders have no bound.
TICK_LETTERS_MAX = 256
REASON_CHARACTERS_MAX = 500


class DeadLetter(NamedTuple):
    """An entry that was given up, with why."""

    stream: str
    id: EntryId
    group: str
    reason: str
    attempts: int
    fields: dict[bytes, bytes]


def to_fields(letter: DeadLetter) -> dict[bytes, bytes]:
    """Return the fields of the dead-letter entry."""
    about = {
        b"stream": letter.stream.encode(),
        b"id": str(letter.id).encode(),
        b"group": letter.group.encode(),
        b"reason": letter.reason[:REASON_CHARACTERS_MAX].encode(),
        b"attempts": str(letter.attempts).encode(),
    }
    return about | {PREFIX + name: value for name, value in letter.fields.items()}


async def put(redis: Redis, letter: DeadLetter) -> None:
    """Keep a letter whose entry is not in this Redis, hence not acknowledged here.

    Raises:
        StreamError: Redis refused or vanished; the letter may be kept.
    """
    kept = letters_max(letter.stream)
    bound = ("MAXLEN", kept) if kept else ()
    fields = [word for pair in to_fields(letter).items() for word in pair]
    what = f"dead letter of {letter.id} of {letter.stream}"
    await call(redis, what, "XADD", topics.dead(letter.stream), *bound, "*", *fields)


def of_entry(entry: Entry) -> DeadLetter:
    """Read a dead-letter entry.

    Raises:
        MessageError: it is not one.
    """
    try:
        return DeadLetter(
            stream=entry.fields[b"stream"].decode(),
            id=ids.parse(entry.fields[b"id"]),
            group=entry.fields[b"group"].decode(),
            reason=entry.fields[b"reason"].decode(),
            attempts=int(entry.fields[b"attempts"]),
            fields={
                name.removeprefix(PREFIX): value
                for name, value in entry.fields.items()
                if name.startswith(PREFIX)
            },
        )
    except (KeyError, ValueError) as error:
        raise MessageError(f"entry {entry.id} of {entry.stream} is not a dead letter") from error


def letters_max(stream: str) -> int:
    """Return how many dead letters of `stream` are kept; 0 keeps all."""
    return 0 if stream.startswith("orders.") else TICK_LETTERS_MAX
