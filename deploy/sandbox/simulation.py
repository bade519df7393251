"""The market, the desks, the ticker moving together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from deploy.sandbox.contracts import Contract
from deploy.sandbox.desk import Desk, Trade
from deploy.sandbox.funds import FundDesk
from deploy.sandbox.gtt import GttBook
from deploy.sandbox.ids import IdMint
from deploy.sandbox.market import Market
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.order_rows import update_row
from deploy.sandbox.orders import Order
from deploy.sandbox.ticker import Ticker

Mask = npt.NDArray[np.bool_]


class Simulation:
    """Moves everything by steps; the only place where prices, orders and sockets meet."""

    def __init__(
        self, market: Market, ticker: Ticker, clock: MarketClock, users: Iterable[str]
    ) -> None:
        self._market = market
        self._ticker = ticker
        self._clock = clock
        mint = IdMint()
        self._desks = {user: Desk(user, market, clock, mint, self._note) for user in users}
        self._gtts = {
            user: GttBook(user, desk, market, clock) for user, desk in self._desks.items()
        }
        self._funds = {user: FundDesk(user, clock) for user in self._desks}
        self._day = market.day

    def gtts(self, user_id: str) -> GttBook:
        """Return the triggers of an account."""
        return self._gtts[user_id]

    def funds(self, user_id: str) -> FundDesk:
        """Return the mutual funds of an account."""
        return self._funds[user_id]

    def desk(self, user_id: str) -> Desk:
        """Return the desk of an account."""
        return self._desks[user_id]

    def contract(self, exchange: str, symbol: str) -> Contract | None:
        """Return what a symbol names, None when it is not listed."""
        found = self._market.contract(exchange, symbol)
        return None if found is None else found[1]

    async def run(self, step_s: float) -> None:
        """Step for ever, at the pace of real seconds; a late step is not made up for."""
        due_s = self._clock.monotonic_s()
        while True:
            await self.step()
            now_s = self._clock.monotonic_s()
            due_s = max(due_s + step_s, now_s)
            await asyncio.sleep(due_s - now_s)

    async def step(self) -> None:
        """Move the market once with all that follows."""
        await self.settle(self._market.step(self._clock.now_s()))

    async def settle(self, changed: Mask) -> None:
        """Tell the sockets, then the resting orders, of prices that changed."""
        if self._market.day != self._day:
            self._day = self._market.day
            for desk in self._desks.values():
                desk.new_day()
        await self._ticker.flush(changed)
        for book in self._gtts.values():
            book.on_market()
        for desk in self._desks.values():
            desk.on_market()
        await self.deliver()

    async def deliver(self) -> None:
        """Send the order updates that came up."""
        await self._ticker.deliver_updates()

    def last_and_close(self, trades: Iterable[Trade]) -> dict[int, tuple[int, int]]:
        """Return the last price with the previous close in paise of every instrument traded."""
        columns, rows = self._market.columns, self._market.listing.row_of_token
        tokens = {trade.order.ticket.token for trade in trades} & set(rows)
        return {
            token: (int(columns.last[rows[token]]), int(columns.close[rows[token]]))
            for token in tokens
        }

    def _note(self, order: Order, word: str) -> None:
        self._ticker.note_update(order.user_id, update_row(order, word))
