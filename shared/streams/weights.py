"""How busy underlyings were on the last days, counted by whoever enriches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from shared.errors import MessageError
from shared.streams.client import call
from shared.wire import topics

#: Days kept of each underlying.
DAYS_MAX: Final = 5

# Shards are counted by several workers, and one may go on where another was.
_ADD = """
local day, kept = ARGV[1], tonumber(ARGV[2])
for i = 3, #ARGV, 2 do
  local read, days = pcall(cjson.decode, redis.call('HGET', KEYS[1], ARGV[i]) or '{}')
  if not read or type(days) ~= 'table' then days = {} end
  days[day] = (days[day] or 0) + tonumber(ARGV[i + 1])
  local names = {}
  for name in pairs(days) do names[#names + 1] = name end
  table.sort(names)
  for at = 1, #names - kept do days[names[at]] = nil end
  redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(days))
end
"""


async def add(redis: Redis, day: int, packets: Mapping[str, int]) -> None:
    """Add packets of a day, yyyymmdd, by underlying.

    Raises:
        StreamError: Redis refused or vanished; some may be added, or all.
    """
    if not packets:
        return
    words = [word for pair in packets.items() for word in pair]
    name = topics.WEIGHTS.name()
    await call(redis, "adding up packets", "EVAL", _ADD, 1, name, day, DAYS_MAX, *words)


async def read(redis: Redis) -> dict[str, dict[int, int]]:
    """Return packets by day, yyyymmdd, by underlying.

    Raises:
        MessageError: what is kept is none of ours.
        StreamError: Redis refused or vanished.
    """
    name = topics.WEIGHTS.name()
    found: Any = await call(redis, "reading packets by underlying", "HGETALL", name)
    # As pairs, or as a mapping: by the protocol that was agreed on.
    rows = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
    try:
        return {
            underlying.decode(): {
                int(day): int(packets)
                for day, packets in msgspec.json.decode(body, type=dict[str, float]).items()
            }
            for underlying, body in rows
        }
    except (ValueError, UnicodeDecodeError) as error:
        raise MessageError(f"{name}: {error}") from error
