"""What may be thrown away of a stream or a group without losing anything."""

from __future__ import annotations

from typing import NamedTuple

from redis.asyncio import Redis

from shared.streams import groups, replies
from shared.streams.client import call
from shared.streams.ids import EntryId

# In one step, so that a consumer cannot take an entry between the look and the removal: what a
# removed consumer had pending would be gone.
_REAP = """
local reaped = 0
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #row, 2 do facts[row[i]] = row[i + 1] end
  if facts.pending == 0 and facts.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    reaped = reaped + 1
  end
end
return reaped
"""


class Depth(NamedTuple):
    """How many entries a stream has, and when its oldest was written, Unix milliseconds."""

    entries: int
    oldest_ms: int


async def depth(redis: Redis, stream: str) -> Depth:
    """Count a stream's entries; the age is 0 where there are none.

    Raises:
        StreamError: Redis refused or vanished.
    """
    entries: int = await call(redis, f"XLEN of {stream}", "XLEN", stream)
    if not entries:
        return Depth(0, 0)
    words = ("XRANGE", stream, "-", "+", "COUNT", 1)
    oldest = replies.of_range(stream, await call(redis, f"XRANGE of {stream}", *words))
    return Depth(entries, oldest[0].id.ms if oldest else 0)


async def trim_taken(redis: Redis, stream: str) -> int:
    """Trim what every group has acknowledged; return how many entries went.

    A stream without a group keeps everything.

    Raises:
        StreamError: Redis refused or vanished.
    """
    floor = await taken_below(redis, stream)
    if floor is None:
        return 0
    words = ("XTRIM", stream, "MINID", "~", str(floor))
    trimmed: int = await call(redis, f"XTRIM of {stream}", *words)
    return trimmed


async def taken_below(redis: Redis, stream: str) -> EntryId | None:
    """Return the oldest id that some group has not acknowledged yet, None without a group.

    Raises:
        StreamError: Redis refused or vanished.
    """
    floors = []
    for group in await groups.all_of(redis, stream):
        oldest = await groups.pending(redis, stream, group.name, idle_ms_min=0, count_max=1)
        floors.append(oldest[0].id if oldest else group.last_delivered.next())
    return min(floors, default=None)


async def reap_consumers(redis: Redis, stream: str, group: str, *, idle_ms_min: int) -> int:
    """Remove consumers that have nothing pending and did nothing for so long; return how many.

    Raises:
        StreamError: Redis refused or vanished; stream or group do not exist.
    """
    reaped: int = await call(
        redis, f"reaping consumers of {stream}", "EVAL", _REAP, 1, stream, group, idle_ms_min
    )
    return reaped
