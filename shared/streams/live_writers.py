"""Whether somebody writes raw streams now, asked before a replay does."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from shared.errors import LocalError
from shared.streams import groups, leases
from shared.streams.client import call
from shared.streams.ids import BEFORE_ALL
from shared.wire.topics import RAW_TICKS

#: A stream written to within this time has a live writer, whatever the leases say.
FRESH_S = 5.0
#: Leases under which raw streams are written.
LIVE_LEASES = "ingest*"
_LEASES_AT_ONCE = 1000


async def refuse_live(redis: Redis, shards: Sequence[int]) -> None:
    """Make sure that nobody else writes the raw streams of these shards.

    Raises:
        LocalError: a live ingest holds its lease here, or one of the streams is being written.
        StreamError: Redis refused or vanished.
    """
    for name in await _live_leases(redis):
        held = await leases.holder(redis, name)
        if held is not None:
            raise LocalError(
                f"{held.owner} holds the lease {name} here: a replay would mix with live ticks; "
                "replay into another Redis (--to-redis), or --force"
            )
    for shard in shards:
        stream = RAW_TICKS.name(shard)
        newest = await groups.newest_id(redis, stream)
        seconds, microseconds = await call(redis, "TIME of Redis", "TIME")
        age_s = int(seconds) + int(microseconds) / 1e6 - newest.ms / 1e3
        if newest != BEFORE_ALL and age_s < FRESH_S:
            raise LocalError(
                f"{stream} was written {max(0.0, age_s):.1f} s ago: a replay would mix with live "
                "ticks; replay into another Redis (--to-redis), other shards (--shard-offset), "
                "or --force"
            )


async def _live_leases(redis: Redis) -> list[str]:
    pattern, found, cursor = leases.key(LIVE_LEASES), [], b"0"
    while True:
        words = ("SCAN", cursor, "MATCH", pattern, "COUNT", _LEASES_AT_ONCE)
        cursor, keys = await call(redis, "looking for leases", *words)
        found += [key.decode(errors="replace").removeprefix(leases.key("")) for key in keys]
        if int(cursor) == 0:
            return sorted(found)
