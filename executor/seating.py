"""Keeps the account's seat for this process."""

from __future__ import annotations

import asyncio

from executor.desk import Desk
from executor.gate import Bar
from executor.settings import BehaviourSettings
from shared.runtime.supervise import pause
from shared.store.pool import Pool
from shared.store.seat import Seat, occupy


class Seating:
    """Tries for the seat until it is free, holds it, takes it again where its session was lost."""

    def __init__(self, *, pool: Pool, desk: Desk, owner: str, behaviour: BehaviourSettings) -> None:
        self._pool = pool
        self._journal = desk.journal
        self._account = desk.account
        self._owner = owner
        self._clock = desk.clock
        self._patience = desk.patience
        self._check_s = behaviour.seat_check_s
        #: Set when the seat has been taken for the first time.
        self.taken = asyncio.Event()

    async def run(self, released: asyncio.Event) -> None:
        """Hold the seat until `released`.

        Raises:
            LeaseLost: another executor traded for the account since our last seat.
        """

        async def hold_once() -> None:
            await self._hold(released)

        await self._patience.repeat(hold_once, name="seat", stopping=released)

    async def _hold(self, released: asyncio.Event) -> None:
        at_us = self._clock.now_ns() // 1000
        await self._journal.rise()
        try:
            async with occupy(self._pool, self._account, owner=self._owner, at_us=at_us) as seat:
                if seat is None:
                    self._patience.gate.close(Bar.SEAT, "another executor holds the account")
                    await pause(released, self._check_s)
                else:
                    await self._sit(seat, released)
        finally:
            self._patience.gate.close(Bar.SEAT, "the account's seat is not held")

    async def _sit(self, seat: Seat, released: asyncio.Event) -> None:
        self._journal.sit(seat)
        self._patience.log.info("seat.taken", account=seat.account, fence=seat.fence)
        self._patience.gate.open(Bar.SEAT, Bar.STORE)
        self.taken.set()
        while not await pause(released, self._check_s):
            await seat.check()
