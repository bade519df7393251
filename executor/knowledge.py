"""Everything a decision on a command rests on, gathered inside one change."""

from __future__ import annotations

from executor import reducer
from executor.decide import Facts, Limits
from executor.instruments import Instruments
from executor.reducer import BrokerOrder
from executor.telling import parse_command
from shared.resilience.windows import per_day
from shared.store.change import Change
from shared.store.journal import Journal
from shared.store.rows import CommandRow, OrderRow, Switches
from shared.wire.orders import Place


class Knowledge:
    """The account's limits, its count of the day, the instruments it may meet."""

    def __init__(self, *, journal: Journal, limits: Limits, instruments: Instruments) -> None:
        self._journal = journal
        self._limits = limits
        self._instruments = instruments
        self._day_of_count = -1
        self._sent_today = 0

    async def count_day(self, now_us: int) -> None:
        """Read the day's count from the journal when a day begins.

        Raises:
            StoreError: PostgreSQL is away.
        """
        calendar = per_day(self._limits.placements_per_day_max)
        day = calendar.index(now_us * 1000)
        if day != self._day_of_count:
            since_us = calendar.starts_ns(day) // 1000
            self._sent_today = await self._journal.placements_sent_since(since_us)
            self._day_of_count = day

    def note_sent(self, row: CommandRow) -> None:
        """Count a placement on its way out."""
        if row.kind == "place":
            self._sent_today += 1

    def presume(self, row: CommandRow, now_us: int) -> Facts:
        """Return what is known of a placement as long as no switch and no doubt is against it."""
        command = parse_command(row)
        assert isinstance(command, Place), "only placements stand alone"
        return Facts(
            row=row,
            command=command,
            now_us=now_us,
            limits=self._limits,
            instrument=self._instruments.find(command.exchange, command.tradingsymbol),
            placements_today=self._sent_today,
        )

    async def gather(self, change: Change, row: CommandRow) -> Facts:
        """Return what is known of a command that has not been sent.

        Raises:
            StoreError: PostgreSQL is away.
        """
        command = parse_command(row)
        placement, known = await _target(change, row)
        order = reducer.load(known.seen) if known is not None else None
        switches = await change.switches(row) if row.kind != "cancel" else Switches()
        named: Place | BrokerOrder | None = command if isinstance(command, Place) else order
        return Facts(
            row=row,
            command=command,
            now_us=change.at_us,
            limits=self._limits,
            placement=placement,
            order=order,
            modifications=known.modifications if known is not None else 0,
            instrument=self._instruments.find(named.exchange, named.tradingsymbol)
            if named is not None
            else None,
            switches=switches,
            placements_today=self._sent_today,
        )


async def _target(change: Change, row: CommandRow) -> tuple[CommandRow | None, OrderRow | None]:
    """Return the placement and the order that a modify or cancel names."""
    if row.kind == "place":
        return None, None
    placement = None
    if row.target_command_id is not None:
        placement = (await change.commands([row.target_command_id])).get(row.target_command_id)
    elif row.order_id is not None:
        placement = next(iter((await change.placements_of([row.order_id])).values()), None)
    order_id = row.order_id or (placement.order_id if placement is not None else None)
    known = (await change.orders([order_id])).get(order_id) if order_id is not None else None
    return placement, known
