"""The account's day as its limits see it: read from the journal once, counted from then on."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from executor.journal.telling import parse_command
from executor.metrics import BUDGET_USED, PLACEMENTS_MAX, PLACEMENTS_TODAY
from executor.rules import reducer
from executor.rules.changing import as_it_is, changed
from executor.rules.facts import Facts
from executor.rules.reducer import BrokerOrder
from executor.rules.risk import Judged, Spent
from executor.rules.slices import is_cut
from executor.rules.tally import Tally, growth
from shared.resilience.windows import per_day
from shared.runtime.logs import get_log
from shared.store.journal import Journal
from shared.store.rows import CommandRow, OrderRow
from shared.wire.orders import Modify, Place

#: Share of the day's placements at which a warning is due.
WARNED_PERCENT: Final = 80
_DAY: Final = per_day(1)
_EPOCH: Final = dt.date(1970, 1, 1)

#: Tells what something is worth in rupees, given its exchange and tradingsymbol.
Worth = Callable[[Judged, tuple[str, str]], Decimal]

log = get_log()


class Today:
    """Counts the day's placements, units and rupees; midnight in India begins another."""

    def __init__(
        self, journal: Journal, worth: Worth, placements_max: int, *, loss_age_us: int
    ) -> None:
        self._journal = journal
        self._worth = worth
        self._placements_max = placements_max
        PLACEMENTS_MAX.set(placements_max)
        self._day = -1
        self._tally = Tally()
        self._reading = asyncio.Lock()
        self._loss: Decimal | None = None
        self._loss_read_us = 0
        self._loss_age_us = loss_age_us

    @property
    def placements(self) -> int:
        """Return how many placements the broker has counted, ours and those of others."""
        return self._tally.placements

    @property
    def spent(self) -> Spent:
        """Return what was sent, whatever became of it."""
        return self._tally.spent

    def spent_by(self, now_us: int) -> Spent:
        """Return what was sent, and what the day has cost if that is known.

        A loss that was read too long ago, or on another day, is not known.
        """
        is_old = now_us - self._loss_read_us > self._loss_age_us
        is_of_today = _DAY.index(self._loss_read_us * 1000) == _DAY.index(now_us * 1000)
        return replace(self.spent, loss=self._loss if is_of_today and not is_old else None)

    def note_loss(self, loss: Decimal | None, looked_us: int) -> None:
        """Take in what the day has cost, as read at `looked_us`; None where it was not told."""
        self._loss, self._loss_read_us = loss, looked_us

    async def count(self, now_us: int) -> None:
        """Take in what was seen of others; read everything anew where a day has begun.

        Raises:
            StoreError: PostgreSQL is away.
        """
        day = _DAY.index(now_us * 1000)
        if day != self._day:
            async with self._reading:
                if day != self._day:  # nobody else has read it meanwhile
                    await self._read(day)
        for order_id, row in self._journal.take_sighted().items():
            self._see(order_id, row)
        self._show()

    async def _read(self, day: int) -> None:
        since_us = _DAY.starts_ns(day) // 1000
        rows = await self._journal.placements_sent_since(since_us)
        orders = await self._journal.orders_seen_since(since_us)
        self._tally, self._day = Tally(), day
        places = {row.command_id: place_of(row) for row in rows}
        for row in rows:
            # Each attempt counts at the broker, whatever came of it.
            spent = self._spent(places[row.command_id])
            self._tally.note_placement(row.command_id, spent, attempts=row.attempts)
        for order in orders:
            self._see(order.order_id, order)
            place = places.get(order.command_id or "")
            if place is not None and not is_cut(place):
                # What modifies have made of it.
                extra = growth(self._spent(place), self._spent_by(reducer.load(order.seen)))
                self._tally.note_extra(order.command_id or "", extra)

    def _see(self, order_id: str, row: OrderRow) -> None:
        if row.origin == "OURS":
            self._tally.see_own(order_id)
            return
        order = reducer.load(row.seen)
        # The second leg of a cover order is the broker's own doing.
        if not (order.variety == "co" and order.parent_order_id) and self._is_of_today(order):
            self._tally.see_external(order_id, self._spent_by(order))

    def _is_of_today(self, order: BrokerOrder) -> bool:
        """Tell whether an order was placed today; one that does not say was."""
        date = (_EPOCH + dt.timedelta(days=self._day)).isoformat()
        return (order.order_timestamp or date)[: len(date)] == date

    def note(self, facts: Facts) -> None:
        """Count a command that is about to be written as SENDING."""
        if isinstance(facts.command, Place):
            spent = self._spent(facts.command)
            before = self.placements
            self._tally.note_placement(facts.row.command_id, spent)
            self._warn(before)
        elif (extra := self._extra(facts)) is not None:
            self._tally.note_extra(*extra)
        self._show()

    def take_back(self, facts: Facts) -> None:
        """Undo `note` for a command that was not written."""
        if isinstance(facts.command, Place):
            is_first = facts.row.attempts == 0
            self._tally.take_back_placement(facts.row.command_id, is_first=is_first)
        elif (extra := self._extra(facts)) is not None:
            self._tally.take_back_extra(*extra)
        self._show()

    def _show(self) -> None:
        PLACEMENTS_TODAY.set(self.placements)
        BUDGET_USED.labels("day").set(self.placements / self._placements_max)

    def _extra(self, facts: Facts) -> tuple[str, Spent] | None:
        """Return what a modify adds, and to what."""
        order = facts.order
        if not isinstance(facts.command, Modify) or order is None:
            return None
        key = facts.placement.command_id if facts.placement is not None else order.order_id
        name = order.exchange, order.tradingsymbol
        after = changed(facts.command, order)
        spent = Spent(quantity=after.quantity, turnover=self._worth(after, name))
        return key, growth(self._spent_by(order), spent)

    def _spent(self, place: Place) -> Spent:
        turnover = self._worth(place, (place.exchange, place.tradingsymbol))
        return Spent(quantity=place.quantity, turnover=turnover)

    def _spent_by(self, order: BrokerOrder) -> Spent:
        turnover = self._worth(as_it_is(order), (order.exchange, order.tradingsymbol))
        return Spent(quantity=order.quantity, turnover=turnover)

    def _warn(self, before: int) -> None:
        due = max(1, self._placements_max * WARNED_PERCENT // 100)
        # Once: at the very placement that crosses the line.
        if before < due <= self.placements:
            log.warning(
                "orders.day_nearly_spent", placements=self.placements, limit=self._placements_max
            )


def place_of(row: CommandRow) -> Place:
    """Return the command of a row that is a placement."""
    command = parse_command(row)
    assert isinstance(command, Place), "only a placement has an exposure"
    return command
