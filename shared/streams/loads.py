"""What the live workers of a room carry, told to one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from shared.errors import MessageError
from shared.streams.client import call

# One round trip: say one's own, drop whoever has not spoken for long, hear the others.
_TELL = """
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now_ms + ARGV[2]) .. ' ' .. ARGV[3])
local told = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local until_ms, body = string.match(all[i + 1], '^(%d+) (.*)$')
  if not until_ms or tonumber(until_ms) <= now_ms then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then
    told[#told + 1] = all[i]
    told[#told + 1] = body
  end
end
return told
"""


class Load(NamedTuple):
    """What one worker carries."""

    owner: str
    #: The sum of what its parts weigh.
    weight: float
    #: Whether it would take another part.
    has_room: bool


async def tell(redis: Redis, room: str, load: Load, ttl_s: float) -> list[Load]:
    """Tell one's load, for `ttl_s`; return what the other live workers of the room told last.

    Raises:
        StreamError: Redis refused or vanished.
        MessageError: what another told is none of ours.
    """
    body = msgspec.json.encode([load.weight, load.has_room])
    told: Any = await call(
        redis, f"loads of {room}", "EVAL", _TELL, 1, key(room), load.owner, round(ttl_s * 1e3), body
    )
    others: Mapping[bytes, bytes] = dict(zip(told[::2], told[1::2], strict=True))
    try:
        return [
            Load(
                owner.decode(errors="replace"), *msgspec.json.decode(text, type=tuple[float, bool])
            )
            for owner, text in sorted(others.items())
        ]
    except msgspec.DecodeError as error:
        raise MessageError(f"{key(room)}: {error}") from error


async def leave(redis: Redis, room: str, owner: str) -> None:
    """Be counted no more.

    Raises:
        StreamError: Redis refused or vanished; it then ends by itself.
    """
    await call(redis, f"leaving the loads of {room}", "HDEL", key(room), owner)


def key(room: str) -> str:
    """Return the key: a hash of owner to when its load ends (Unix ms) and the load."""
    return f"lease.loads.{room}"
