"""Trades, positions and holdings from the broker into the journal, all day."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from executor.desk import Desk
from executor.journal.telling import tell_disagreement
from executor.metrics import DAY_LOSS, DISAGREEING, POSITIONS_READ, TRADES
from executor.rules.day_loss import loss_of
from executor.rules.portfolio import (
    Instrument,
    Reading,
    disagreements,
    parse_holdings,
    parse_positions,
    parse_trades,
)
from executor.settings import BehaviourSettings
from shared.errors import KiteUnavailable, MessageError
from shared.runtime.supervise import pause

#: A reading that was asked for waits this long: a fill seldom comes alone.
_GATHER_S = 0.25
#: How often holdings are read: they change overnight, by what is pledged, by corporate actions.
HOLDINGS_US: Final = 300_000_000


class Syncing:
    """Reads trades, then positions: at the start, when something was filled, every so often."""

    def __init__(self, *, desk: Desk, behaviour: BehaviourSettings) -> None:
        self._desk = desk
        self._every_s = behaviour.positions_s
        self._disagreeing: dict[Instrument, tuple[int, int]] = {}
        self._holdings_due_us = 0
        self._told: dict[Instrument, tuple[int, int]] = {}
        self._loss_max = behaviour.day_loss_max
        self._is_loss_reached = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Read until `stopping`."""
        while not stopping.is_set():
            self._desk.sync_soon.clear()
            await self._desk.patience.tried(self.sync, name="positions")
            await self._desk.patience.tried(self.sync_holdings, name="holdings")
            await self._until_asked()
            await pause(stopping, _GATHER_S)

    async def sync_holdings(self) -> None:
        """Read the holdings, commit them; seldom, since what is sold of them shows as positions.

        Raises:
            KiteError: they were not read, or could not be understood.
            StoreError: PostgreSQL is away.
        """
        now_us = self._now_us()
        if now_us < self._holdings_due_us:
            return
        try:
            holdings = parse_holdings(await self._desk.broker.holdings())
        except MessageError as error:
            raise KiteUnavailable(f"holdings: {error}") from error
        async with self._desk.journal.change(at_us=self._now_us()) as change:
            await change.portfolio.replace_holdings(holdings, looked_us=now_us)
        self._holdings_due_us = now_us + HOLDINGS_US

    async def sync(self) -> None:
        """Read once, commit what was read, compare the two.

        Raises:
            KiteError: they were not read, or could not be understood.
            StoreError: PostgreSQL is away.
        """
        reading = await self._read()
        async with self._desk.journal.change(at_us=self._now_us()) as change:
            added = await change.portfolio.add_trades(reading.trades)
            await change.portfolio.replace_positions(reading.positions, looked_us=reading.looked_us)
        TRADES.inc(added)
        POSITIONS_READ.set(reading.looked_us / 1e6)
        self._desk.knowledge.note_loss(reading.loss, reading.looked_us)
        DAY_LOSS.set(float("nan") if reading.loss is None else float(reading.loss))
        self._warn(reading.loss)
        await self._compare(reading)

    async def _read(self) -> Reading:
        looked_us = self._now_us()
        try:
            # Trades first: what fills meanwhile is then in the positions, not among the trades.
            trades = parse_trades(await self._desk.broker.trades())
            rows = await self._desk.broker.positions()
            positions = parse_positions(rows)
        except MessageError as error:
            raise KiteUnavailable(f"trades or positions: {error}") from error
        return Reading(trades=trades, positions=positions, looked_us=looked_us, loss=loss_of(rows))

    def _warn(self, loss: Decimal | None) -> None:
        """Say when the day's limit is reached, and when it no longer is."""
        is_reached = bool(self._loss_max) and loss is not None and loss >= self._loss_max
        if is_reached is not self._is_loss_reached:
            event = "orders.day_loss_reached" if is_reached else "orders.day_loss_left"
            self._desk.patience.log.warning(event, loss=str(loss), limit=self._loss_max)
        self._is_loss_reached = is_reached

    async def _compare(self, reading: Reading) -> None:
        """Tell of what two readings in a row agree to disagree on; a fill between is no fault.

        Raises:
            StoreError: PostgreSQL is away; it is told after the next reading.
        """
        found = disagreements(reading)
        lasting = {
            name: both for name, both in found.items() if self._disagreeing.get(name) == both
        }
        self._disagreeing = found
        DISAGREEING.set(len(lasting))
        news = {name: both for name, both in lasting.items() if self._told.get(name) != both}
        if news:
            await self._tell(news)
        self._told = lasting

    async def _tell(self, news: dict[Instrument, tuple[int, int]]) -> None:
        async with self._desk.journal.change(at_us=self._now_us()) as change:
            for (exchange, symbol), (traded, changed) in sorted(news.items()):
                event = tell_disagreement(exchange, symbol, traded=traded, changed=changed)
                change.emit(event, is_step=False)
        for (exchange, symbol), (traded, changed) in sorted(news.items()):
            self._desk.patience.log.warning(
                "positions.disagree_with_trades",
                exchange=exchange,
                tradingsymbol=symbol,
                traded=traded,
                changed=changed,
            )

    async def _until_asked(self) -> None:
        try:
            async with asyncio.timeout(self._every_s):
                await self._desk.sync_soon.wait()
        except TimeoutError:
            pass  # nobody asked: it is time all the same

    def _now_us(self) -> int:
        return self._desk.clock.now_ns() // 1000
