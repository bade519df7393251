"""Everything a decision on a command rests on."""

from __future__ import annotations

import msgspec

from executor.rules.families import Turn
from executor.rules.guard import Instrument
from executor.rules.reducer import BrokerOrder
from executor.rules.reducing import Exposure
from executor.rules.risk import Market, Risk, Spent
from shared.store.rows import CommandRow, Switches
from shared.wire.orders import Command, Modify, Reason


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The account's own limits."""

    placements_per_day_max: int
    #: Of those, how many are kept for placements that reduce.
    placements_per_day_reserved: int = 0
    modifications_max: int
    target_wait_us: int
    positions_age_us: int = 90_000_000
    risk: Risk = Risk()
    #: Whether mutual funds may be written.
    has_funds: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision rests on; `placement` and `order` are those the command names."""

    row: CommandRow
    command: Command
    now_us: int
    limits: Limits
    placement: CommandRow | None = None
    order: BrokerOrder | None = None
    modifications: int = 0
    instrument: Instrument | None = None
    switches: Switches = Switches()
    placements_today: int = 0
    market: Market = Market()
    spent: Spent = Spent()
    #: When the newest reading of the order book began.
    looked_us: int = 0
    #: Why the strategy is to be held before it sends more of the kind.
    runaway: Reason | None = None
    duplicate: Reason | None = None
    #: Where trading is REDUCING: what is held of the instrument; None is not known.
    exposure: Exposure | None = None
    #: The placement was made to close a position: it goes only if it still does nothing else.
    is_exit: bool = False
    #: A leg's turn in its basket; a family's other members, or a cut placement's orders.
    turn: Turn = Turn()
    members: tuple[CommandRow, ...] = ()
    orders: tuple[BrokerOrder, ...] = ()
    instruments: tuple[Instrument | None, ...] = ()
    #: Modifies of the same order that were claimed after this one and have not left either.
    later: tuple[Modify, ...] = ()
