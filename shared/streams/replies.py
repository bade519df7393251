"""The one place that knows the shapes of the client library's answers under RESP2."""

from __future__ import annotations

from typing import Any, NamedTuple

from shared.streams import ids
from shared.streams.entry import Entry
from shared.streams.ids import EntryId


class Pending(NamedTuple):
    """One entry that a consumer has and did not acknowledge."""

    id: EntryId
    consumer: str
    idle_ms: int
    deliveries: int


class Held(NamedTuple):
    """How many entries consumers of a group have and did not acknowledge; the oldest of them."""

    entries: int
    oldest: EntryId | None


class Group(NamedTuple):
    """A consumer group as XINFO GROUPS shows it on every version."""

    name: str
    consumers: int
    pending: int
    last_delivered: EntryId


def of_read(reply: Any) -> list[Entry]:
    """Narrow XREAD or XREADGROUP: nothing, or a list of [stream, entries]."""
    return [entry for name, items in reply or () for entry in of_range(name.decode(), items)]


def of_plain_read(reply: Any) -> list[Entry]:
    """Narrow XREADGROUP as it comes from a line, not touched by the library: fields in a row."""
    found = []
    for name, items in reply or ():
        pairs = ((one, dict(zip(words[::2], words[1::2], strict=True))) for one, words in items)
        found += of_range(name.decode(), pairs)
    return found


def of_range(stream: str, reply: Any) -> list[Entry]:
    """Narrow XRANGE or XCLAIM: (id, fields) each; 6.2 claims a trimmed entry as (None, None)."""
    return [
        Entry(stream, ids.parse(entry_id), fields)
        for entry_id, fields in reply
        if entry_id is not None and fields is not None
    ]


def of_pending(reply: Any) -> list[Pending]:
    """Narrow XPENDING in its long form."""
    return [
        Pending(
            ids.parse(row["message_id"]),
            row["consumer"].decode(),
            row["time_since_delivered"],
            row["times_delivered"],
        )
        for row in reply
    ]


def of_held(reply: Any) -> Held:
    """Narrow XPENDING in its short form."""
    return Held(reply["pending"], ids.parse(reply["min"]) if reply["pending"] else None)


def of_groups(reply: Any) -> list[Group]:
    """Narrow XINFO GROUPS."""
    return [
        Group(
            row["name"].decode(),
            row["consumers"],
            row["pending"],
            ids.parse(row["last-delivered-id"]),
        )
        for row in reply
    ]
