"""A rate limit that all processes of one account share."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from shared.errors import StreamError
from shared.streams.client import Word, call, reason_of, translate
from shared.streams.line import Line

#: Days of the exchange begin at midnight in India: 5 h 30 min ahead of UTC.
IST_OFFSET_S = 19_800
DAY_S = 86_400
#: Forgotten when nothing was taken for this long: longer than any window.
_FORGOTTEN_AFTER_MS = 2 * DAY_S * 1000
PAUSE_S_MAX = 3600.0
#: A clock at the other side further from Redis' own is a mistake.
_SKEW_MS_MAX = 300_000

# KEYS[1]: hash of pause_until_ms, and of <window>.b (which period) with <window>.n (taken in it),
# of <window>.t (when the latest were taken) where a window is spread.
# ARGV: cost, server time in ms or '', per window: name, period ms, offset ms, how many, spread ms.
# Nothing is taken unless every window has room. A period behind the one stored counts as that one
# (two callers whose clocks differ by less than a period). A server time that cannot be is not
# believed: it would begin another day.
_TAKE = f"""
local time = redis.call('TIME')
local real_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local cost = tonumber(ARGV[1])
local now_ms = real_ms
if ARGV[2] ~= '' and math.abs(ARGV[2] - real_ms) <= {_SKEW_MS_MAX} then
  now_ms = tonumber(ARGV[2])
end
local wait_ms = tonumber(redis.call('HGET', KEYS[1], 'pause_until_ms') or '0') - real_ms
local writes, left = {{}}, {{}}
for i = 3, #ARGV, 5 do
  local name, period, offset, most = ARGV[i], ARGV[i+1] + 0, ARGV[i+2] + 0, ARGV[i+3] + 0
  local bucket = math.floor((now_ms + offset) / period)
  local kept = redis.call('HMGET', KEYS[1], name .. '.b', name .. '.n')
  local was, used = tonumber(kept[1] or '-1'), tonumber(kept[2] or '0')
  if was == bucket + 1 then bucket = was elseif was ~= bucket then used = 0 end
  if used + cost > most then
    wait_ms = math.max(wait_ms, (bucket + 1) * period - offset - now_ms)
  end
  local spread, recent = ARGV[i+4] + 0, {{}}
  if spread > 0 then
    for stamp in string.gmatch(redis.call('HGET', KEYS[1], name .. '.t') or '', '%d+') do
      if math.abs(real_ms - stamp) < spread then recent[#recent + 1] = stamp end
    end
    if #recent + cost > most then
      wait_ms = math.max(wait_ms, recent[#recent + cost - most] + spread - real_ms)
    end
    for _ = 1, cost do recent[#recent + 1] = string.format('%.0f', real_ms) end
    writes[#writes + 1] = name .. '.t'
    writes[#writes + 1] = table.concat(recent, ' ')
  end
  left[#left + 1] = most - used - cost
  writes[#writes + 1] = name .. '.b'
  writes[#writes + 1] = string.format('%.0f', bucket)
  writes[#writes + 1] = name .. '.n'
  writes[#writes + 1] = string.format('%.0f', used + cost)
end
if wait_ms > 0 then return {{0, math.ceil(wait_ms)}} end
redis.call('HSET', KEYS[1], unpack(writes))
redis.call('PEXPIRE', KEYS[1], {_FORGOTTEN_AFTER_MS})
return {{1, unpack(left)}}
"""

#: Redis knows a script that it has run once by this name; until it is restarted.
_TAKE_SHA: Final = hashlib.sha1(_TAKE.encode()).hexdigest()  # noqa: S324  # Redis's own name for it
#: Turns asked for in one round trip.
TURNS_MAX: Final = 64

_PAUSE = f"""
local time = redis.call('TIME')
local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
if tonumber(redis.call('HGET', KEYS[1], 'pause_until_ms') or '0') < until_ms then
  redis.call('HSET', KEYS[1], 'pause_until_ms', string.format('%.0f', until_ms))
  redis.call('PEXPIRE', KEYS[1], {_FORGOTTEN_AFTER_MS})
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` in each calendar period; `reserved` of them only for who may use the reserve.

    Periods begin at multiples of `period_s` after a midnight that is `offset_s` ahead of UTC's.
    With `spread_ms` there are no more in any so many milliseconds either: whoever counts by a clock
    that nobody here knows, counts no more than that.
    """

    name: str
    period_s: int
    limit: int
    reserved: int = 0
    offset_s: int = IST_OFFSET_S
    spread_ms: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.reserved <= self.limit:
            raise ValueError(
                f"window {self.name}: reserved {self.reserved} is not within 0 and {self.limit}"
            )
        if not 1 <= self.period_s <= DAY_S:
            raise ValueError(f"window {self.name}: period_s {self.period_s} is not 1 to {DAY_S}")


@dataclass(frozen=True, slots=True)
class Granted:
    """Go ahead; `left` is what each window has yet for a call of the same kind."""

    left: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Nothing was taken; ask again in `seconds`, which is infinite where it can never fit."""

    seconds: float


@dataclass(eq=False, slots=True)
class _Asked:
    """One call for a turn; `answer` is None until there is one, an error among them."""

    words: tuple[Word, ...]
    is_reserved: bool
    answer: Any = None


class RateLimiter:
    """The budgets of every account, by class of endpoint, kept in one Redis.

    Calls that come while another is on its way go out together, in one round trip, each decided by
    itself; those that may use the reserve first.
    """

    def __init__(self, redis: Redis, windows: Mapping[str, Sequence[Window]]) -> None:
        self._redis = redis
        self._words: dict[tuple[str, bool], tuple[int, list[bytes]]] = {}
        for name, each in windows.items():
            if len({window.name for window in each}) != len(each) or not each:
                raise ValueError(f"endpoint class {name}: windows missing, or twice of one name")
            for reserve in (False, True):
                mosts = [window.limit - (0 if reserve else window.reserved) for window in each]
                self._words[name, reserve] = min(mosts), _words(each, mosts)
        self._line = Line(redis)
        self._turn = asyncio.Lock()
        self._asked: list[_Asked] = []

    async def take(
        self,
        account: str,
        endpoint_class: str,
        cost: int = 1,
        *,
        reserve: bool = False,
        server_s: float | None = None,
    ) -> Granted | WaitUntil:
        """Take `cost` out of every window of the class, or nothing.

        `reserve` lets the call into what the windows keep back: for cancels. Periods are told by
        Redis' clock, or by `server_s`, the Unix second at the other side, where the caller knows;
        one that is over five minutes off is not believed.

        Raises:
            StreamError: Redis refused or vanished.
            ValueError: a cost under 1.
        """
        if cost < 1:
            raise ValueError(f"cost {cost} of {endpoint_class} is not at least 1")
        most, words = self._words[endpoint_class, reserve]
        if most < cost:
            return WaitUntil(math.inf)
        server_ms = "" if server_s is None else round(server_s * 1000)
        asked = _Asked((1, key(account, endpoint_class), cost, server_ms, *words), reserve)
        answer = await self._answer(asked, f"rate limit {endpoint_class} of {account}")
        granted, *numbers = answer
        return Granted(tuple(numbers)) if granted else WaitUntil(numbers[0] / 1000)

    async def _answer(self, asked: _Asked, what: str) -> Any:
        self._asked.append(asked)
        try:
            async with self._turn:
                while asked.answer is None:
                    await self._ask(what)
        finally:
            if asked in self._asked:  # cancelled before it was asked
                self._asked.remove(asked)
        if isinstance(asked.answer, Exception):
            raise StreamError(f"{what}: {reason_of(asked.answer)}") from asked.answer
        return asked.answer

    async def _ask(self, what: str) -> None:
        """Ask for all that gathered; whatever goes wrong, nobody is granted anything by it."""
        self._asked.sort(key=lambda each: not each.is_reserved)
        gathered = self._asked[:TURNS_MAX]
        del self._asked[:TURNS_MAX]
        answers: list[Any] = [RedisError("the call ended before its answer")] * len(gathered)
        try:
            with translate(what):
                answers = await self._taken(gathered)
        except StreamError as error:
            answers = [RedisError(str(error))] * len(gathered)
        finally:
            for each, answer in zip(gathered, answers, strict=True):
                each.answer = answer

    async def _taken(self, gathered: Sequence[_Asked]) -> list[Any]:
        answers = await self._line.exchange([_by_name(each) for each in gathered])
        unknown = [at for at, each in enumerate(answers) if isinstance(each, NoScriptError)]
        if unknown:
            in_full = await self._line.exchange([_in_full(gathered[at]) for at in unknown])
            for at, answer in zip(unknown, in_full, strict=True):
                answers[at] = answer
        return answers

    async def warm(self) -> None:
        """Connect, and let Redis know the script.

        Raises:
            StreamError: Redis refused or vanished.
        """
        with translate("script of the rate limit"):
            (answer,) = await self._line.exchange([["SCRIPT", "LOAD", _TAKE]])
            if isinstance(answer, RedisError):
                raise answer

    async def pause(self, account: str, endpoint_class: str, seconds: float) -> None:
        """Grant nothing of the class for `seconds`, at most `PAUSE_S_MAX`: the answer to a 429.

        A longer pause that is under way stays.

        Raises:
            StreamError: Redis refused or vanished.
        """
        ms = round(min(seconds, PAUSE_S_MAX) * 1000)
        await call(
            self._redis,
            f"pause of {endpoint_class} of {account}",
            "EVAL",
            _PAUSE,
            1,
            key(account, endpoint_class),
            ms,
        )


def key(account: str, endpoint_class: str) -> str:
    """Return the key of one budget."""
    return f"limiter.{account}.{endpoint_class}"


def _words(windows: Sequence[Window], mosts: Sequence[int]) -> list[bytes]:
    """Return what the script is told of windows."""
    words: list[str | int] = []
    for window, most in zip(windows, mosts, strict=True):
        words += [window.name, window.period_s * 1000, window.offset_s * 1000, most]
        words.append(window.spread_ms)
    return [str(word).encode() for word in words]


def _by_name(asked: _Asked) -> list[Word]:
    return ["EVALSHA", _TAKE_SHA, *asked.words]


def _in_full(asked: _Asked) -> list[Word]:
    return ["EVAL", _TAKE, *asked.words]
