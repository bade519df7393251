"""One live owner at a time for a named thing, told apart by a fencing number."""

from __future__ import annotations

from typing import Any, NamedTuple

from redis.asyncio import Redis

from shared.clock import Clock
from shared.errors import LeaseLost
from shared.streams.client import call

#: Of its time to live a lease counts for its owner; the rest is for clocks that run apart.
TRUSTED_PART = 0.9

_NOW_MS = """
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
"""

# The number grows with every owner; it also never lies below the Unix second, so that it goes on
# growing when a Redis without a disk forgets it. It fits 32 bits until the year 2106.
_ACQUIRE = f"""{_NOW_MS}
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until_ms')
if held[1] and held[1] ~= ARGV[1] and tonumber(held[3]) > now_ms then return 0 end
local fence = math.max(tonumber(held[2] or '0') + 1, tonumber(now[1]))
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', string.format('%.0f', fence),
           'until_ms', string.format('%.0f', now_ms + ARGV[2]))
return fence
"""

# Whoever holds it: another log decides who owns, this one only numbers the owners.
_ADVANCE = f"""{_NOW_MS}
local fence = math.max(tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') + 1, tonumber(now[1]))
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', string.format('%.0f', fence),
           'until_ms', '0')
return fence
"""

_RENEW = f"""{_NOW_MS}
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return held[1] or '' end
redis.call('HSET', KEYS[1], 'until_ms', string.format('%.0f', now_ms + ARGV[3]))
return 1
"""

_RELEASE = """
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence')
if held[1] == ARGV[1] and held[2] == ARGV[2] then
  redis.call('HSET', KEYS[1], 'owner', '', 'until_ms', '0')
  return 1
end
return 0
"""

_HOLDER = f"""{_NOW_MS}
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until_ms')
if not held[1] or held[1] == '' or tonumber(held[3]) <= now_ms then return false end
return {{held[1], tonumber(held[2]), tonumber(held[3]) - now_ms}}
"""


class Holder(NamedTuple):
    """Who holds a lease at this moment."""

    owner: str
    fence: int
    remaining_s: float


class Lease:
    """A lease that was acquired; `fence` goes into everything written under it."""

    def __init__(
        self, redis: Redis, clock: Clock, *, name: str, owner: str, ttl_s: float, fence: int
    ) -> None:
        self.name = name
        self.owner = owner
        self.ttl_s = ttl_s
        self.fence = fence
        self._redis = redis
        self._clock = clock
        self._trusted_until_s = 0.0

    def holding(self) -> bool:
        """Tell, without asking Redis, whether nobody else can hold it now.

        It turns false on its own, before the lease ends in Redis, when renewals do not come
        through.
        """
        return self._clock.monotonic_s() < self._trusted_until_s

    async def renew(self) -> None:
        """Hold it for another `ttl_s`; a third of that is a good rhythm.

        Raises:
            LeaseLost: another owner took it, or Redis forgot it.
            StreamError: Redis refused or vanished; `holding` tells whether time is left to retry.
        """
        asked_at_s = self._clock.monotonic_s()
        answer: Any = await call(
            self._redis,
            f"renewal of lease {self.name}",
            "EVAL",
            _RENEW,
            1,
            key(self.name),
            self.owner,
            self.fence,
            _ms(self.ttl_s),
        )
        if answer != 1:
            self._trusted_until_s = 0.0
            other = answer.decode(errors="replace") or "nobody"
            raise LeaseLost(
                f"lease {self.name}: fence {self.fence} of {self.owner} is over, {other} holds it"
            )
        self._trust_from(asked_at_s)

    async def release(self) -> None:
        """Give it up, so that the next owner need not wait; harmless when it is lost already.

        Raises:
            StreamError: Redis refused or vanished; the lease then ends by itself.
        """
        self._trusted_until_s = 0.0
        await call(
            self._redis,
            f"release of lease {self.name}",
            "EVAL",
            _RELEASE,
            1,
            key(self.name),
            self.owner,
            self.fence,
        )

    def _trust_from(self, asked_at_s: float) -> None:
        # Counted from before the question: Redis counts from after it, hence ends later.
        self._trusted_until_s = asked_at_s + self.ttl_s * TRUSTED_PART


async def acquire(
    redis: Redis, name: str, owner: str, ttl_s: float, *, clock: Clock
) -> Lease | None:
    """Take the lease if nobody else holds it; None if somebody does.

    An owner that comes back under its own name gets it at once, with a higher fence: what is left
    of its former self loses it.

    Raises:
        StreamError: Redis refused or vanished.
    """
    asked_at_s = clock.monotonic_s()
    fence: int = await call(
        redis, f"acquisition of lease {name}", "EVAL", _ACQUIRE, 1, key(name), owner, _ms(ttl_s)
    )
    if not fence:
        return None
    lease = Lease(redis, clock, name=name, owner=owner, ttl_s=ttl_s, fence=fence)
    lease._trust_from(asked_at_s)  # noqa: SLF001  # the same module: a lease begins here only
    return lease


async def advance(redis: Redis, name: str, owner: str) -> int:
    """Return a fencing number above every earlier one of this name, for an owner chosen elsewhere.

    Raises:
        StreamError: Redis refused or vanished.
    """
    what = f"fencing number of {name}"
    fence: int = await call(redis, what, "EVAL", _ADVANCE, 1, key(name), owner)
    return fence


async def holder(redis: Redis, name: str) -> Holder | None:
    """Return who holds the lease now, for the operator's eyes.

    Raises:
        StreamError: Redis refused or vanished.
    """
    answer: Any = await call(redis, f"look at lease {name}", "EVAL", _HOLDER, 1, key(name))
    if answer is None:
        return None
    owner, fence, remaining_ms = answer
    return Holder(owner.decode(errors="replace"), fence, remaining_ms / 1000)


def key(name: str) -> str:
    """Return the key of a lease: a hash of owner, fence, until_ms."""
    return f"lease.{name}"


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
