"""What a trading switch came too late for, and whether that has reached its end.

The statement that commits SENDING reads the switches itself, so nothing whose statement begins
after a switch is committed can pass it. What began before may commit, and leave, a moment later:
whoever has to know waits for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec

from shared.clock import Clock
from shared.errors import StoreError
from shared.store.pool import Pool
from shared.store.trading import TradingSwitch

#: Whatever may write the journal at this moment. A transaction has its lock on the table before it
#: reads a switch: one that has none yet will read every switch that is committed now. Asking for a
#: lock that these exclude would be simpler, but hold up every account's orders behind the slowest.
_WRITING: Final = """
SELECT virtualtransaction FROM pg_locks
WHERE relation = 'order_accounts'::regclass AND mode <> 'AccessShareLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ($1::text[] IS NULL OR virtualtransaction = ANY($1))
"""
_ON_THE_WAY: Final = """
SELECT command_id FROM order_commands
WHERE is_open AND state = 'SENDING' AND kind <> 'cancel'
    AND ($1 = 'global' OR ($1 = 'account' AND account = $2)
        OR ($1 = 'strategy' AND strategy_id = $2))
    AND ($3::text[] IS NULL OR command_id = ANY($3))
ORDER BY serial
"""
_LOOK_S: Final = 0.02

_Look = Callable[[list[str] | None], Awaitable[list[str]]]


class Outrun(msgspec.Struct, frozen=True, kw_only=True):
    """What the switch came too late for; `left` has no answer yet. `count` None: nobody knows."""

    waited_s: float
    count: int | None = None
    left: tuple[str, ...] = ()


async def wait_for_outrun(
    pool: Pool, switch: TradingSwitch, *, clock: Clock, within_s: float
) -> Outrun:
    """Wait, after the switch was put, until no request that it came too late for can leave.

    Those are the commands that are SENDING once every transaction of before has ended. Each is
    waited for until it has an answer, or is given up as UNKNOWN. The switch holds whatever comes
    of this.
    """
    began_s = clock.monotonic_s()
    found: list[str] | None = None
    left: list[str] = []

    async def sending(among: list[str] | None) -> list[str]:
        return await _column(pool, _ON_THE_WAY, switch.scope, switch.subject, among)

    async def writing(among: list[str] | None) -> list[str]:
        return await _column(pool, _WRITING, among)

    with suppress(StoreError, TimeoutError):
        async with asyncio.timeout(within_s):
            async for _ in _each(writing):
                pass
            async for left in _each(sending):
                found = left if found is None else found
    count = None if found is None else len(found)
    return Outrun(waited_s=clock.monotonic_s() - began_s, count=count, left=tuple(left))


async def _each(look: _Look) -> AsyncIterator[list[str]]:
    """Yield what is there, then again and again what of it is left, at last nothing."""
    left = await look(None)
    yield left
    while left:
        await asyncio.sleep(_LOOK_S)
        left = await look(left)
        yield left


async def _column(pool: Pool, query: str, *arguments: object) -> list[str]:
    async with pool.connection() as connection:
        rows = await connection.fetch(query, *arguments)
    return [value for row in rows for value in row.values()]
