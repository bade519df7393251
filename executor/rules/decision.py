"""What can be done with a command that has not been sent."""

from __future__ import annotations

import msgspec

from shared.store.rows import CommandRow
from shared.wire.orders import Command, Reason


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Let it go; the rest is the order's, for a modify or a cancel."""

    order_id: str = ""
    variety: str = ""
    parent_order_id: str = ""


class Refuse(msgspec.Struct, frozen=True):
    """End it here; `holds_strategy` where nothing new of the strategy may follow."""

    reason: Reason
    holds_strategy: bool = False


class Expire(msgspec.Struct, frozen=True):
    """Its time has passed."""


class Supersede(msgspec.Struct, frozen=True):
    """A later modify says everything that this one says: only that one is sent."""

    by_command_id: str


class EndUnsent(msgspec.Struct, frozen=True):
    """It is not sent, through no fault of its own."""

    reason: Reason


class Spread(msgspec.Struct, frozen=True):
    """It is carried out by these commands."""

    commands: tuple[Command, ...]


class EndBoth(msgspec.Struct, frozen=True):
    """The placement has not left: neither it nor its cancel is sent."""

    placement: CommandRow


class Wait(msgspec.Struct, frozen=True):
    """Ask again when something has happened; `bury` where the placement has not even been read.

    The producer is told the `reason`, once, where there is more to say than that it is early.
    """

    bury: bool = False
    reason: Reason | None = None


#: What keeps a command here.
Stay = Refuse | Expire | EndUnsent | EndBoth | Spread | Supersede | Wait
Decision = Send | Stay
