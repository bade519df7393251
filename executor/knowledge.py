"""Everything a decision on a command rests on, gathered inside one change."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from executor import reducer
from executor.decide import Facts, Limits, is_exposure_needed
from executor.families import KINDS, turn_of
from executor.instruments import Instruments
from executor.lifecycle import UNSENT
from executor.quotes import Quotes
from executor.reducer import BrokerOrder
from executor.reducing import Exposure
from executor.risk import Judged, Market, notional_of
from executor.runaway import Runaway
from executor.slices import is_cut
from executor.telling import parse_command
from executor.today import Today, place_of
from shared.market.calendar import Calendar
from shared.resilience.windows import per_day
from shared.store.change import Change
from shared.store.journal import Journal
from shared.store.rows import CommandRow, OrderRow, Switches
from shared.wire.families import Basket, Exit
from shared.wire.orders import Command, Modify, Place, Reason

_DAY: Final = per_day(1)
_NAMES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the knowledge comes from."""

    journal: Journal
    instruments: Instruments
    quotes: Quotes
    calendar: Calendar
    runaway: Runaway


class Knowledge:
    """The account's limits, what it sent today, the instruments it may meet."""

    def __init__(self, sources: Sources, limits: Limits) -> None:
        self._limits = limits
        self._instruments = sources.instruments
        self._quotes = sources.quotes
        self._calendar = sources.calendar
        self._runaway = sources.runaway
        self._today = Today(sources.journal, self._worth, limits.placements_per_day_max)
        #: Instruments of modifies that wait for their turn.
        self._names: dict[str, tuple[str, str]] = {}

    async def count_day(self, now_us: int) -> None:
        """Bring the day's count up to date.

        Raises:
            StoreError: PostgreSQL is away.
        """
        await self._today.count(now_us)

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
            spent=self._today.spent,
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
                facts = await self._as_part(change, facts, row.parent_command_id)
            return await self._with_exposure(change, facts, command)
        if isinstance(command, Exit | Basket):
            return await self._of_family(change, row, command)
        placement, known = await _target(change, row)
        order = reducer.load(known.seen) if known is not None else None
        switches = await change.switches(row) if row.kind != "cancel" else Switches()
        later = await _later(change, row, placement) if row.kind == "modify" else ()
        facts = Facts(
            row=row,
            command=command,
            now_us=change.at_us,
            limits=self._limits,
            placement=placement,
            order=order,
            modifications=known.modifications if known is not None else 0,
            switches=switches,
            later=later,
        )
        is_of_all = row.kind == "cancel" and row.target_command_id is not None
        if is_of_all and placement is not None and placement.state not in UNSENT:
            return await _with_parts(change, facts, placement)
        if order is None or row.kind == "cancel":
            return facts
        return await self._with_exposure(change, self._with_market(facts, order), order)

    def _with_market(self, facts: Facts, order: BrokerOrder) -> Facts:
        """Add what the order to be modified is judged by, its price where somebody looked."""
        name = order.exchange, order.tradingsymbol
        if facts.row.kind == "modify":
            self._names[facts.row.command_id] = name
            if len(self._names) > _NAMES_MAX:
                self._names.pop(next(iter(self._names)))
        return replace(
            facts,
            instrument=self._instruments.find(*name),
            spent=self._today.spent,
            market=self._market(*name, facts.now_us),
        )

    def _market(self, exchange: str, symbol: str, now_us: int) -> Market:
        return Market(
            last_price=self._quotes.find(exchange, symbol),
            phase=self._calendar.presume(exchange, now_us * 1000).phase,
            is_looked_at=self._quotes.has_looked(exchange, symbol),
        )

    async def _with_exposure(
        self, change: Change, facts: Facts, what: Place | BrokerOrder
    ) -> Facts:
        """Add what is held of the instrument, where that decides; nothing where it is not known."""
        if not is_exposure_needed(facts):
            return facts
        instrument = what.exchange, what.tradingsymbol, what.product
        own = what.order_id if isinstance(what, BrokerOrder) else ""
        side = what.transaction_type
        found = await self._exposure(change, instrument, side, own)
        # Getting out of a position leaves alone what lies in the demat account.
        if found is not None and not facts.is_exit:
            found = await self._with_holdings(change, found, instrument)
        return replace(facts, exposure=found)

    async def _with_holdings(
        self, change: Change, found: Exposure, instrument: tuple[str, str, str]
    ) -> Exposure:
        since_us = _day_start_us(change.at_us)
        held = await change.portfolio.sellable(
            *instrument, position=found.position, since_us=since_us
        )
        return replace(found, position=held)

    async def _exposure(
        self, change: Change, instrument: tuple[str, str, str], side: str | None, own: str = ""
    ) -> Exposure | None:
        """Return what is held, what may leave it by orders of `side`, or of the exit's side."""
        portfolio, now_us = change.portfolio, change.at_us
        held = await portfolio.held(*instrument)
        if held is None or now_us - held.looked_us > self._limits.positions_age_us:
            return None
        since_us = _day_start_us(now_us)
        if held.looked_us < since_us:
            return None  # it was another day's
        side = side or ("SELL" if held.quantity > 0 else "BUY")
        exchange, symbol, product = instrument
        seen = await portfolio.on_the_way(instrument, side, since_us=since_us)
        exposure = f"{side} {exchange}:{symbol}"
        unseen = await portfolio.unseen_placements(exposure, since_us=since_us)
        sent = (place_of(row) for row in unseen)
        lost = sum(place.quantity for place in sent if place.product == product)
        on_the_way = sum(seen.values()) + lost
        return Exposure(position=held.quantity, on_the_way=on_the_way, own=seen.get(own, 0))

    async def _as_part(self, change: Change, facts: Facts, parent_id: str) -> Facts:
        """Add what a placement's basket, or the exit that it is for, makes of it."""
        parent = (await change.commands([parent_id]))[parent_id]
        command = parse_command(parent)
        if not isinstance(command, Basket):
            return replace(facts, is_exit=parent.kind == "exit")
        members = await change.children_of(parent_id)
        return replace(facts, turn=turn_of(command, facts.row.command_id, members))

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
        found = await self._exposure(change, instrument, None)
        if found is not None:
            side = "SELL" if found.position > 0 else "BUY"
            waiting = await change.unsent_placements(
                f"{side} {command.exchange}:{command.tradingsymbol}"
            )
            places = (place_of(each) for each in waiting)
            unsent = sum(each.quantity for each in places if each.product == command.product)
            found = replace(found, on_the_way=found.on_the_way + unsent)
        return replace(facts, exposure=found)


def _day_start_us(now_us: int) -> int:
    return _DAY.starts_ns(_DAY.index(now_us * 1000)) // 1000


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


async def _with_parts(change: Change, facts: Facts, placement: CommandRow) -> Facts:
    """Add what a cancel of several orders has to cancel."""
    if placement.kind in KINDS:
        members = await change.children_of(placement.command_id)
        return replace(facts, members=tuple(members.values()))
    command = parse_command(placement)
    if not isinstance(command, Place) or not is_cut(command):
        return facts
    rows = await change.orders_of(placement.command_id)
    return replace(facts, orders=tuple(reducer.load(each.seen) for each in rows))


async def _later(
    change: Change, row: CommandRow, placement: CommandRow | None
) -> tuple[Modify, ...]:
    """Return the unsent modifies of the same order that were claimed after this one."""
    named = {row.target_command_id, placement.command_id if placement is not None else None}
    orders = {row.order_id, placement.order_id if placement is not None else None}
    found = await change.open_commands_on([*filter(None, named)], [*filter(None, orders)])
    waiting = [each for each in found if each.serial > row.serial and each.state in UNSENT]
    commands = [parse_command(each) for each in waiting]
    return tuple(each for each in commands if isinstance(each, Modify))


async def _target(change: Change, row: CommandRow) -> tuple[CommandRow | None, OrderRow | None]:
    """Return the placement and the order that a modify or cancel names."""
    placement = None
    if row.target_command_id is not None:
        placement = (await change.commands([row.target_command_id])).get(row.target_command_id)
    elif row.order_id is not None:
        placement = next(iter((await change.placements_of([row.order_id])).values()), None)
    order_id = row.order_id or (placement.order_id if placement is not None else None)
    known = (await change.orders([order_id])).get(order_id) if order_id is not None else None
    return placement, known
