"""What the first order would otherwise wait for, done before the executor is ready.

A statement is planned, a script sent, a decoder built when each is first used: together tens of
milliseconds, more than all the rest of an order's way.
"""

from __future__ import annotations

import asyncio
from typing import Final

from executor.desk import Desk
from executor.journal.asked import new_command
from executor.journal.telling import tell
from executor.market.instruments import Instruments
from executor.rules.decide import decide
from shared.errors import StoreError, StreamError
from shared.store.journal_quick import received_row
from shared.wire.codec import JSON_FIELD, decode, encode
from shared.wire.orders import Command
from shared.wire.steps import Told

#: Longer than this nothing is warmed up: cold is late, not wrong.
WARM_S: Final = 3.0
#: Decided, told and forgotten; nobody claims it, so it is never sent.
_SAMPLE: Final = (
    b'{"kind":"place","command_id":"warming-up","exchange":"NSE","tradingsymbol":"INFY",'
    b'"transaction_type":"BUY","quantity":1,"product":"CNC","order_type":"LIMIT","price":"1"}'
)


class Warming:
    """Goes an order's way once without leaving a trace."""

    def __init__(self, desk: Desk, instruments: Instruments) -> None:
        self._desk = desk
        self._instruments = instruments

    async def run(self) -> None:
        """Use everything once; what is away stays cold."""
        try:
            async with asyncio.timeout(WARM_S):
                self._judge()
                await self._desk.journal.warm()
                await self._desk.pace.warm()
                await self._instruments.try_refresh()
        except (StoreError, StreamError, TimeoutError) as error:
            self._desk.patience.log.warning("executor.not_warmed", error=str(error))

    def _judge(self) -> None:
        command: Command = decode({JSON_FIELD: _SAMPLE}, Command)
        now_us = self._desk.clock.now_ns() // 1000
        row = received_row(new_command(command, payload=_SAMPLE), serial=0, at_us=now_us)
        decide(self._desk.knowledge.presume(row, now_us))
        encode(tell(Told.RECEIVED, row))
