"""What the two Redis hold: streams, how far their groups are, leases."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from shared.ops.reach import Instance
from shared.streams import groups, leases, loads
from shared.streams.client import Connection, call
from shared.streams.ids import BEFORE_ALL, EntryId

#: Keys looked at of one kind: an instance has some ten streams an account and a shard.
KEYS_MAX = 2000
_SCANNED_AT_ONCE = 1000
_LEASES = leases.key("*")
#: Stands among them so that one right covers both, and is nobody's to hold.
_LOADS = loads.key("")
_MS = 1000


class GroupFacts(Struct, frozen=True, kw_only=True):
    """How far a consumer group is; `lag_s` is the age of the oldest entry it was not given."""

    name: str
    consumers: int
    pending: int
    lag_s: float


class StreamFacts(Struct, frozen=True, kw_only=True):
    """One stream at this moment; ages are null where it is empty."""

    name: str
    redis: Instance
    length: int
    bytes: int
    oldest_age_s: float | None
    newest_age_s: float | None
    groups: list[GroupFacts]

    @property
    def is_dead_letters(self) -> bool:
        """Tell whether it holds what somebody gave up."""
        return self.name.endswith(".dead")


class LeaseFacts(Struct, frozen=True, kw_only=True):
    """Who owns a named thing; nobody is an empty owner."""

    name: str
    redis: Instance
    owner: str
    fence: int
    remaining_s: float


async def streams_of(
    redis: Connection, instance: Instance, *, match: str = "*"
) -> list[StreamFacts]:
    """Return the facts of every stream whose name matches the glob `match`, by name.

    Raises:
        StreamError: Redis refused or vanished.
    """
    now_ms = await _now_ms(redis)
    names = await _keys(redis, match, "stream")
    return [await _stream(redis, instance, name, now_ms) for name in names]


async def leases_of(redis: Connection, instance: Instance) -> list[LeaseFacts]:
    """Return every lease that was ever held, by name.

    Raises:
        StreamError: Redis refused or vanished.
    """
    return [
        await _lease(redis, instance, key.removeprefix(_LEASES[:-1]))
        for key in await _keys(redis, _LEASES, "hash")
        if not key.startswith(_LOADS)
    ]


async def _stream(redis: Connection, instance: Instance, name: str, now_ms: int) -> StreamFacts:
    oldest = await groups.oldest_after(redis, name, BEFORE_ALL)
    newest = await groups.newest_id(redis, name) if oldest else None
    return StreamFacts(
        name=name,
        redis=instance,
        length=await call(redis, f"XLEN of {name}", "XLEN", name),
        bytes=await call(redis, f"MEMORY USAGE of {name}", "MEMORY USAGE", name) or 0,
        oldest_age_s=_age_s(oldest, now_ms) if oldest else None,
        newest_age_s=_age_s(newest, now_ms) if newest else None,
        groups=[
            GroupFacts(
                name=group.name,
                consumers=group.consumers,
                pending=group.pending,
                lag_s=await _lag_s(redis, name, group.last_delivered, now_ms),
            )
            for group in await groups.all_of(redis, name)
        ],
    )


async def _lag_s(redis: Connection, stream: str, delivered: EntryId, now_ms: int) -> float:
    # XINFO's own lag is missing on 6.2, wrong after trimming.
    waiting = await groups.oldest_after(redis, stream, delivered)
    return _age_s(waiting, now_ms) if waiting else 0.0


async def _lease(redis: Connection, instance: Instance, name: str) -> LeaseFacts:
    held = await leases.holder(redis, name)
    if held is None:
        return LeaseFacts(name=name, redis=instance, owner="", fence=0, remaining_s=0.0)
    return LeaseFacts(
        name=name,
        redis=instance,
        owner=held.owner,
        fence=held.fence,
        remaining_s=held.remaining_s,
    )


async def _keys(redis: Connection, match: str, kind: str) -> list[str]:
    found: set[str] = set()
    cursor: Any = 0
    while True:
        words = ("SCAN", cursor, "MATCH", match, "COUNT", _SCANNED_AT_ONCE, "TYPE", kind)
        cursor, keys = await call(redis, f"SCAN for {match}", *words)
        found.update(key.decode(errors="replace") for key in keys)
        if int(cursor) == 0 or len(found) >= KEYS_MAX:
            return sorted(found)[:KEYS_MAX]


async def _now_ms(redis: Connection) -> int:
    # Ids carry the server's clock: only that one tells their age.
    seconds, microseconds = await call(redis, "TIME of Redis", "TIME")
    return int(seconds) * _MS + int(microseconds) // _MS


def _age_s(entry_id: EntryId, now_ms: int) -> float:
    return max(0.0, (now_ms - entry_id.ms) / _MS)
