"""Everything a decision on a command rests on, gathered inside one change."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from executor.journal.exposures import known_exposure, with_holdings, with_unsent
from executor.journal.related import as_part, later_modifies, target_of, with_parts
from executor.journal.telling import parse_command
from executor.journal.today import Today, place_of
from executor.market.instruments import Instruments
from executor.market.prices import Prices
from executor.market.quotes import Quotes
from executor.rules import reducer
from executor.rules.decide_place import is_exposure_needed
from executor.rules.facts import Facts, Limits
from executor.rules.lifecycle import UNSENT
from executor.rules.reducer import BrokerOrder
from executor.rules.reducing import side_of
from executor.rules.risk import Judged, Market, notional_of
from executor.rules.runaway import Runaway
from shared.market.calendar import Calendar
from shared.store.change import Change
from shared.store.journal import Journal
from shared.store.rows import CommandRow, Switches
from shared.wire.families import Basket, Exit
from shared.wire.gtt import GttModify, GttPlace
from shared.wire.orders import Command, Place, Reason

_NAMES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the knowledge comes from."""

    journal: Journal
    instruments: Instruments
    quotes: Quotes
    prices: Prices
    calendar: Calendar
    runaway: Runaway


class Knowledge:
    """The account's limits, what it sent today, the instruments it may meet."""

    def __init__(self, sources: Sources, limits: Limits) -> None:
        self._limits = limits
        self._instruments = sources.instruments
        self._quotes = sources.quotes
        self._prices = sources.prices
        self._calendar = sources.calendar
        self._runaway = sources.runaway
        self._today = Today(
            sources.journal,
            self._worth,
            limits.placements_per_day_max,
            loss_age_us=limits.positions_age_us,
        )
        #: Instruments of modifies that wait for their turn.
        self._names: dict[str, tuple[str, str]] = {}
        self._looked_us = 0

    async def count_day(self, now_us: int) -> None:
        """Bring the day's count up to date.

        Raises:
            StoreError: PostgreSQL is away.
        """
        await self._today.count(now_us)

    def note_loss(self, loss: Decimal | None, looked_us: int) -> None:
        """Take in what the day has cost, as read at `looked_us`; None where it was not told."""
        self._today.note_loss(loss, looked_us)

    def note_look(self, began_us: int) -> None:
        """Take in when the newest reading of the order book that was understood began."""
        self._looked_us = began_us

    def note_sent(self, facts: Facts) -> None:
        """Count a command that is about to be written as SENDING, at the moment of its facts."""
        row = facts.row
        self._today.note(facts)
        if row.kind == "cancel":
            self._runaway.note_cancel(row.strategy_id, facts.now_us)
        if isinstance(facts.command, Place):
            content = _content(facts.command)
            self._runaway.note_sent(row.strategy_id, row.exposure or "", content, facts.now_us)

    def take_back(self, facts: Facts) -> None:
        """Undo `note_sent`: nothing was written; a cancel that goes out again may count twice."""
        self._today.take_back(facts)
        if isinstance(facts.command, Place):
            content, row = _content(facts.command), facts.row
            self._runaway.take_back(row.strategy_id, row.exposure or "", content, facts.now_us)

    def note_answer(self, command: Command, *, is_rejected: bool) -> Reason | None:
        """Count an answer to a placement; return why its strategy is to be held, if it is."""
        if not isinstance(command, Place):
            return None
        return self._runaway.note_answer(command.strategy_id, is_rejected=is_rejected)

    async def look(self, row: CommandRow) -> None:
        """Read the last price that a placement, or a modify that was gathered, is judged by."""
        name = self._names.pop(row.command_id, None)
        if row.kind == "place":
            place = place_of(row)
            name = place.exchange, place.tradingsymbol
        if name is not None:
            await self._quotes.look(*name)

    def lacks_price(self, row: CommandRow) -> bool:
        """Tell whether somebody looked for a price that a placement is judged by, and found none.

        Kite is asked then, and the placement waits before it takes a turn.
        """
        place = place_of(row)
        name = place.exchange, place.tradingsymbol
        return self._prices.lacks(place, name, self._limits.risk) and self._quotes.has_looked(*name)

    def expect_price(self, row: CommandRow) -> None:
        """Let whoever asks Kite next ask for the price of a claimed placement as well."""
        place = place_of(row)
        self._prices.expect(place, (place.exchange, place.tradingsymbol), self._limits.risk)

    async def awaits_price(self, row: CommandRow) -> bool:
        """Tell whether a gathered command has to wait for a price: once, if Kite can be asked."""
        return await self._prices.is_awaited(row)

    async def wait_for_price(self, row: CommandRow) -> None:
        """Wait for the price that a command awaits, for as long as settings say."""
        await self._prices.wait(row)

    def _worth(self, judged: Judged, name: tuple[str, str]) -> Decimal:
        return notional_of(judged, self._quotes.find(*name), self._instruments.find(*name))

    def presume(self, row: CommandRow, now_us: int) -> Facts:
        """Return what is known of a placement as long as no switch and no doubt is against it."""
        return self._of_placement(row, place_of(row), now_us)

    def _of_placement(self, row: CommandRow, place: Place, now_us: int) -> Facts:
        exchange, symbol = place.exchange, place.tradingsymbol
        exposure, content = row.exposure or "", _content(place)
        return Facts(
            row=row,
            command=place,
            now_us=now_us,
            limits=self._limits,
            instrument=self._instruments.find(exchange, symbol),
            placements_today=self._today.placements,
            market=self._market(exchange, symbol, now_us),
            spent=self._today.spent_by(now_us),
            looked_us=self._looked_us,
            runaway=self._runaway.judge(row.strategy_id, exposure, now_us),
            duplicate=self._runaway.find_alike(row.strategy_id, content, now_us),
        )

    async def gather(self, change: Change, row: CommandRow) -> Facts:
        """Return what is known of a command that has not been sent.

        Raises:
            StoreError: PostgreSQL is away.
        """
        command = parse_command(row)
        if isinstance(command, Place):
            facts = self._of_placement(row, command, change.at_us)
            facts = replace(facts, switches=await change.switches(row))
            if row.parent_command_id is not None:
                facts = await as_part(change, facts, row.parent_command_id)
            return await self._weighed(change, facts, command)
        if isinstance(command, Exit | Basket):
            return await self._of_family(change, row, command)
        placement, known = await target_of(change, row)
        order = reducer.load(known.seen) if known is not None else None
        aimed = row if order is None else replace(row, exposure=side_of(order))
        switches = await change.switches(aimed) if row.kind != "cancel" else Switches()
        later = await later_modifies(change, row, placement) if row.kind == "modify" else ()
        facts = Facts(
            row=row,
            command=command,
            now_us=change.at_us,
            limits=self._limits,
            placement=placement,
            order=order,
            modifications=known.modifications if known is not None else 0,
            switches=switches,
            looked_us=self._looked_us,
            later=later,
        )
        is_of_all = row.kind == "cancel" and row.target_command_id is not None
        if is_of_all and placement is not None and placement.state not in UNSENT:
            return await with_parts(change, facts, placement)
        if isinstance(command, GttPlace | GttModify):
            return self._with_market(facts, command)
        if order is None or row.kind == "cancel":
            return facts
        return await self._weighed(change, self._with_market(facts, order), order)

    def _with_market(self, facts: Facts, order: BrokerOrder | GttPlace | GttModify) -> Facts:
        """Add what a changed order or a trigger is judged by, its price where somebody looked."""
        name = order.exchange, order.tradingsymbol
        if facts.row.kind == "modify":
            self._names[facts.row.command_id] = name
            if len(self._names) > _NAMES_MAX:
                self._names.pop(next(iter(self._names)))
        return replace(
            facts,
            instrument=self._instruments.find(*name),
            spent=self._today.spent_by(facts.now_us),
            market=self._market(*name, facts.now_us),
        )

    def _market(self, exchange: str, symbol: str, now_us: int) -> Market:
        return Market(
            last_price=self._quotes.find(exchange, symbol),
            told_s=self._quotes.told_s(exchange, symbol),
            phase=self._calendar.presume(exchange, now_us * 1000).phase,
            is_looked_at=self._quotes.has_looked(exchange, symbol),
        )

    async def _weighed(self, change: Change, facts: Facts, what: Place | BrokerOrder) -> Facts:
        """Add what is held where that decides; note a price that is to be asked for."""
        name = what.exchange, what.tradingsymbol
        if is_exposure_needed(facts) or self._prices.is_wanted(facts, name):
            facts = await self._with_exposure(change, facts, what)
        self._prices.note(facts, name)
        return facts

    async def _with_exposure(
        self, change: Change, facts: Facts, what: Place | BrokerOrder
    ) -> Facts:
        """Add what is held of the instrument; nothing where it is not known."""
        instrument = what.exchange, what.tradingsymbol, what.product
        own = what.order_id if isinstance(what, BrokerOrder) else ""
        side = what.transaction_type
        age_us_max = self._limits.positions_age_us
        found = await known_exposure(change, instrument, side, own=own, age_us_max=age_us_max)
        # Getting out of a position leaves alone what lies in the demat account.
        if found is not None and not facts.is_exit:
            found = await with_holdings(change, found, instrument)
        return replace(facts, exposure=found)

    async def _of_family(self, change: Change, row: CommandRow, command: Exit | Basket) -> Facts:
        facts = Facts(
            row=row,
            command=command,
            now_us=change.at_us,
            limits=self._limits,
            switches=await change.switches(row),
        )
        if isinstance(command, Basket):
            legs = ((leg.exchange, leg.tradingsymbol) for leg in command.legs)
            return replace(facts, instruments=tuple(self._instruments.find(*leg) for leg in legs))
        instrument = command.exchange, command.tradingsymbol, command.product
        age_us_max = self._limits.positions_age_us
        found = await known_exposure(change, instrument, None, age_us_max=age_us_max)
        if found is not None:
            found = await with_unsent(change, found, instrument)
        return replace(facts, exposure=found)


def _content(place: Place) -> str:
    return " ".join(
        map(
            str,
            (
                place.transaction_type,
                place.exchange,
                place.tradingsymbol,
                place.quantity,
                place.product,
                place.order_type,
                place.price,
                place.trigger_price,
                place.variety,
            ),
        )
    )
