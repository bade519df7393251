"""Consumer groups: where they begin, what they still have to read, what they left lying."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.streams import replies
from shared.streams.client import call, call_all, raw, translate
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from shared.streams.replies import Group, Held, Pending

#: Looked up in one round trip.
LOOKED_UP_MAX = 256


async def create(redis: Redis, stream: str, group: str, start: str) -> bool:
    """Make the group, the stream too where it is missing; return whether it was not there yet.

    Raises:
        StreamError: Redis refused or vanished.
    """
    with translate(f"XGROUP CREATE of {group} on {stream}"):
        try:
            await raw(redis, "XGROUP CREATE", stream, group, start, "MKSTREAM")
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
            return False
    return True


async def all_of(redis: Redis, stream: str) -> list[Group]:
    """Return the groups of a stream; none where the stream does not exist.

    Raises:
        StreamError: Redis refused or vanished.
    """
    with translate(f"XINFO GROUPS of {stream}"):
        try:
            reply = await raw(redis, "XINFO GROUPS", stream)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return []
    return replies.of_groups(reply)


async def find(redis: Redis, stream: str, group: str) -> Group | None:
    """Return the group, or None where it or its stream does not exist.

    Raises:
        StreamError: Redis refused or vanished.
    """
    return next((found for found in await all_of(redis, stream) if found.name == group), None)


async def newest_id(redis: Redis, stream: str) -> EntryId:
    """Return the id of the newest entry, `BEFORE_ALL` where there is none.

    Raises:
        StreamError: Redis refused or vanished.
    """
    reply = await call(redis, f"XREVRANGE of {stream}", "XREVRANGE", stream, "+", "-", "COUNT", 1)
    entries = replies.of_range(stream, reply)
    return entries[0].id if entries else BEFORE_ALL


async def newest(redis: Redis, stream: str, count: int) -> list[Entry]:
    """Return the newest entries, at most so many, oldest first.

    Raises:
        StreamError: Redis refused or vanished.
    """
    words = ("XREVRANGE", stream, "+", "-", "COUNT", count)
    found = replies.of_range(stream, await call(redis, f"XREVRANGE of {stream}", *words))
    return found[::-1]


async def oldest_after(redis: Redis, stream: str, entry_id: EntryId) -> EntryId | None:
    """Return the id of the first entry after `entry_id` that the stream still has.

    Raises:
        StreamError: Redis refused or vanished.
    """
    reply = await call(
        redis, f"XRANGE of {stream}", "XRANGE", stream, f"({entry_id}", "+", "COUNT", 1
    )
    entries = replies.of_range(stream, reply)
    return entries[0].id if entries else None


async def pending(
    redis: Redis, stream: str, group: str, *, idle_ms_min: int, count_max: int
) -> list[Pending]:
    """Return what consumers of the group have held for `idle_ms_min` or longer, oldest first.

    A group that does not exist has nothing pending.

    Raises:
        StreamError: Redis refused or vanished.
    """
    words = ("XPENDING", stream, group, "IDLE", idle_ms_min, "-", "+", count_max)
    with translate(f"XPENDING of {group} on {stream}"):
        try:
            reply = await raw(redis, *words, parse_detail=True)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            return []
    return replies.of_pending(reply)


async def held(redis: Redis, stream: str, group: str) -> Held:
    """Return how much consumers of the group have in all; nothing where there is no such group.

    Raises:
        StreamError: Redis refused or vanished.
    """
    with translate(f"XPENDING of {group} on {stream}"):
        try:
            reply = await raw(redis, "XPENDING", stream, group)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            return Held(0, None)
    return replies.of_held(reply)


async def claim(
    redis: Redis, stream: str, group: str, consumer: str, *, rows: Sequence[Pending], idle_ms: int
) -> list[Entry]:
    """Take over those of `rows` that are still idle, in the stream, nobody else's.

    Raises:
        StreamError: Redis refused or vanished.
    """
    deliveries = {row.id: row.deliveries + 1 for row in rows}
    words = ("XCLAIM", stream, group, consumer, str(idle_ms), *map(str, deliveries))
    reply = await call(redis, f"XCLAIM of {len(rows)} entries of {stream}", *words)
    return [
        Entry(stream, entry.id, entry.fields, deliveries[entry.id])
        for entry in replies.of_range(stream, reply)
    ]


async def gone(redis: Redis, stream: str, entry_ids: Sequence[EntryId]) -> list[EntryId]:
    """Return those of at most `LOOKED_UP_MAX` ids that the stream does not have any more.

    Raises:
        StreamError: Redis refused or vanished.
        ValueError: too many ids.
    """
    if len(entry_ids) > LOOKED_UP_MAX:
        raise ValueError(f"{len(entry_ids)} ids looked up at once, over {LOOKED_UP_MAX}")
    pipeline = redis.pipeline(transaction=False)
    for entry_id in entry_ids:
        pipeline.execute_command("XRANGE", stream, str(entry_id), str(entry_id))
    found = await call_all(pipeline, f"XRANGE of {len(entry_ids)} ids of {stream}")
    return [entry_id for entry_id, reply in zip(entry_ids, found, strict=True) if not reply]
