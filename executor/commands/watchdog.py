"""Tells of market orders that do not fill.

With market protection, which is mandatory, such an order becomes a limit order that may rest in the
book. Source: kite.trade/forum/13838, tradingqna.com/t/193460 (read 2026-11). It is told of, and
cancelled where settings say so: chasing it is nobody's business here.
"""

from __future__ import annotations

from typing import Final

from executor.desk import Desk
from executor.journal.asked import new_command, spawn
from executor.journal.telling import parse_command, tell
from executor.metrics import UNFILLED
from executor.rules.derived import derived_id
from executor.rules.lifecycle import UNSETTLED
from shared.runtime.supervise import pause
from shared.store.rows import CommandRow, NewCommand
from shared.wire.orders import Cancel, Place, Reason, State
from shared.wire.steps import Told

#: The cancel of an order has its command_id with this after it, the same at every attempt.
CANCEL_NAME: Final = "unfilled"
_EVERY_S: Final = 1.0
_LIVING: Final = (State.ACCEPTED, State.OPEN, State.PARTIALLY_ACCEPTED)
_PRESENT: Final = (*_LIVING, *UNSETTLED)
#: Placements that an earlier process sent are looked at once more, so far back.
_BACK_US: Final = 86_400_000_000


class Watchdog:
    """Looks at each placement once, so long after it was sent."""

    def __init__(self, *, desk: Desk, after_s: float, cancels: bool) -> None:
        self._cancels = cancels
        self._desk = desk
        self._after_us = round(after_s * 1e6)
        self._every_s = min(_EVERY_S, after_s)
        self._seen_us = self._due_us() - _BACK_US
        self._unanswered: set[str] = set()

    async def step(self) -> None:
        """Wait a moment, look at those whose time has come.

        Raises:
            StoreError: PostgreSQL is away; they are looked at next time.
        """
        await pause(self._desk.stopping, self._every_s)
        due_us = self._due_us()
        rows = await self._desk.journal.placements_sent_since(self._seen_us + 1, until_us=due_us)
        due = {row.command_id for row in rows if row.state in _PRESENT and _is_market(row)}
        if due or self._unanswered:
            await self._tell(due | self._unanswered)
        self._seen_us = due_us

    async def _tell(self, command_ids: set[str]) -> None:
        at_us = self._desk.clock.now_ns() // 1000
        async with self._desk.journal.change(at_us=at_us) as change:
            rows = (await change.commands(sorted(command_ids))).values()
            for row in rows:
                if row.state in _LIVING:
                    UNFILLED.inc()
                    change.emit(tell(Told.UNFILLED, row, reason=self._reason), is_step=False)
                    if self._cancels:
                        await spawn(change, [_cancel(row)])
        # Whatever the broker has not answered yet is looked at again: it may rest as well.
        self._unanswered = {row.command_id for row in rows if row.state in UNSETTLED}

    @property
    def _reason(self) -> Reason:
        return Reason(
            code="market_unfilled",
            sentence="the market order rests in the book; protection made it a limit order",
            field="order_type",
            measured="MARKET",
            limit=f"filled within {self._after_us / 1e6:g} s",
        )

    def _due_us(self) -> int:
        return self._desk.clock.now_ns() // 1000 - self._after_us


def _cancel(row: CommandRow) -> NewCommand:
    cancel = Cancel(
        command_id=derived_id(row.command_id, CANCEL_NAME),
        strategy_id=row.strategy_id,
        target_command_id=row.command_id,
    )
    return new_command(cancel, parent_command_id=row.command_id)


def _is_market(row: CommandRow) -> bool:
    command = parse_command(row)
    return isinstance(command, Place) and command.order_type == "MARKET"
