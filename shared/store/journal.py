"""The order journal: every change of an account's commands, with the events that tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import msgspec

from shared.errors import LeaseLost, StoreError
from shared.store import journal_quick
from shared.store.change import Change
from shared.store.gathering import Gathering
from shared.store.journal_quick import Hold
from shared.store.journal_reads import ROWS_MAX, JournalReads
from shared.store.pool import Connection, Pool
from shared.store.rows import (
    CommandRow,
    NewCommand,
    OrderRow,
)
from shared.store.seat import Seat
from shared.store.trading import TradingSwitch
from shared.wire.orders import OrderEvent

#: Commands moved by one commit.
STEPS_MAX: Final = 100
#: Connections that know the statements before the first placement: a writer's and a reader's.
WARMED: Final = 2


#: A repeated command is answered with its newest step for ever: that one stays.
_PRUNE = """
WITH looked AS (
    SELECT sequence, command_id, is_step,
        (convert_from(payload, 'UTF8')::jsonb ->> 'at_us')::bigint < $3 AS is_old
    FROM order_events WHERE account = $1 AND is_published AND sequence > $2
    ORDER BY sequence LIMIT $4
), gone AS (
    DELETE FROM order_events AS event USING looked
    WHERE event.account = $1 AND event.sequence = looked.sequence AND looked.is_old AND (
        NOT looked.is_step OR EXISTS (
            SELECT FROM order_events AS later
            WHERE later.account = $1 AND later.command_id = looked.command_id AND later.is_step
                AND later.sequence > looked.sequence))
    RETURNING event.sequence
)
SELECT max(sequence) AS through, (SELECT count(*) FROM gone) AS deleted FROM looked WHERE is_old
"""


#: A command as it is to be, the event that tells of it, and when it happened.
_Step = tuple[CommandRow, OrderEvent, int]
_Quickly = Callable[[Connection, Hold, Sequence[CommandRow], Sequence[OrderEvent]], Awaitable[bool]]


class Pruned(msgspec.Struct, frozen=True):
    """How many events were deleted, and the number of the last one looked at."""

    deleted: int
    through: int


class Journal(JournalReads):
    """One account's journal, written only while its seat is held."""

    def __init__(self, pool: Pool, account: str) -> None:
        super().__init__(pool, account)
        self._fence: int | None = None
        self._has_seat = False
        #: The newest event's number, None where it is to be read again.
        self._sequence: int | None = None
        # One writer at a time: the account's row is locked anyway, so more would only hold
        # connections while they wait for it.
        self._turn = asyncio.Lock()
        #: Set whenever events have been committed; whoever publishes them clears it.
        self.events_waiting = asyncio.Event()
        self._sends = self._gathering(journal_quick.send_new)
        self._accepts = self._gathering(journal_quick.accept_sent)
        self._spawned: list[CommandRow] = []
        self._touched: set[str] = set()
        self._sighted: dict[str, OrderRow] = {}
        self._switched: list[TradingSwitch] = []

    def _gathering(self, quickly: _Quickly) -> Gathering[_Step]:
        return Gathering(self._turn, partial(self._write, quickly), items_max=STEPS_MAX)

    def sit(self, seat: Seat) -> None:
        """Write under this seat from now on.

        Raises:
            LeaseLost: another executor has held the account since our last seat.
        """
        if self._fence is not None and seat.fence != self._fence + 1:
            raise LeaseLost(
                f"account {self._account}: fence {self._fence} became {seat.fence}; "
                "another executor traded in between"
            )
        self._fence = seat.fence
        self._has_seat = True
        self._sequence = None

    async def warm(self) -> None:
        """Let the server plan what every placement asks for; nothing is written, no seat needed.

        Raises:
            StoreError: the server refused or vanished.
        """
        async with AsyncExitStack() as stack:
            for _ in range(WARMED):
                connection = await stack.enter_async_context(self._pool.connection())
                await journal_quick.warm(connection)

    async def rise(self) -> None:
        """Write nothing until `sit`: taking a seat, even our own again, ends the fence before."""
        async with self._turn:
            self._has_seat = False

    @asynccontextmanager
    async def change(self, *, at_us: int) -> AsyncIterator[Change]:
        """Read, decide, write as one transaction that nobody else's comes between.

        Raises:
            LeaseLost: another executor holds the account.
            StoreError: the server refused or vanished; whether it committed is to be read again.
        """
        async with self._turn, self._pool.transaction() as connection:
            fence, self._sequence = self._written_fence(), None
            sequence = await _lock(connection, self._account, fence)
            change = Change(
                connection, account=self._account, fence=fence, at_us=at_us, sequence=sequence
            )
            yield change
            await change.flush()
        self._spawned += change.spawned
        self._touched |= change.touched
        self._sighted |= change.sighted
        self._switched += change.switched
        self._told(sequence + len(change.events), are_new=bool(change.events))

    def take_spawned(self) -> list[CommandRow]:
        """Return the commands that committed changes have led to since the last time."""
        taken, self._spawned = self._spawned, []
        return taken

    def take_touched(self) -> set[str]:
        """Return the commands whose parts changed since the last time."""
        taken, self._touched = self._touched, set()
        return taken

    def take_switched(self) -> list[TradingSwitch]:
        """Return the trading switches that changes have put since the last time."""
        taken, self._switched = self._switched, []
        return taken

    def take_sighted(self) -> dict[str, OrderRow]:
        """Return the broker's orders that changes have written since the last time."""
        taken, self._sighted = self._sighted, {}
        return taken

    async def claim_new(
        self,
        commands: Sequence[NewCommand],
        *,
        at_us: int,
        tell: Callable[[CommandRow], OrderEvent],
    ) -> list[CommandRow] | None:
        """Claim commands none of which was seen before, each with an event, in one round trip.

        None means that nothing was written: `change` will find out what keeps them back.

        Raises:
            StoreError: the server refused or vanished; whether it committed is to be read again.
        """
        if len({each.command_id for each in commands}) < len(commands):
            return None
        rows = [journal_quick.received_row(each, serial=0, at_us=at_us) for each in commands]
        async with self._turn, self._quick() as (connection, hold):
            if hold is None:
                return None
            events = journal_quick.number([(tell(row), at_us) for row in rows], hold)
            serials = await journal_quick.claim_new(connection, hold, commands, events)
            if not serials:
                return None
            self._told(events[-1].sequence, are_new=True)
        return [msgspec.structs.replace(row, serial=serials[row.command_id]) for row in rows]

    async def place_new(
        self, command: NewCommand, sending: CommandRow, events: Sequence[OrderEvent], *, at_us: int
    ) -> CommandRow | None:
        """Claim a placement never seen before and write it as SENDING, in one commit.

        None means that nothing was written: `claim_new` is the longer way.

        Raises:
            StoreError: the server refused or vanished; whether it committed is to be read again.
        """
        async with self._turn, self._quick() as (connection, hold):
            if hold is None:
                return None
            told = journal_quick.number([(event, at_us) for event in events], hold)
            serial = await journal_quick.place_new(connection, hold, command, sending, told)
            if serial is None:
                return None
            self._told(told[-1].sequence, are_new=True)
        return msgspec.structs.replace(sending, serial=serial, changed_us=at_us)

    async def send_new(self, sending: CommandRow, event: OrderEvent, *, at_us: int) -> bool:
        """Write SENDING over a placement that is RECEIVED, with its event, in one round trip.

        Trading switches are read in the same step. Those that wait for the journal together are
        written together. False means that nothing was written: `change` will find out what keeps
        it back.

        Raises:
            StoreError: the server refused or vanished; whether it committed is to be read again.
        """
        return await self._sends.put((sending, event, at_us))

    async def accept_sent(self, accepted: CommandRow, event: OrderEvent, *, at_us: int) -> bool:
        """Write ACCEPTED over a command that is SENDING, as `send_new` writes; it raises alike."""
        return await self._accepts.put((accepted, event, at_us))

    async def _write(self, quickly: _Quickly, steps: Sequence[_Step]) -> bool:
        async with self._quick() as (connection, hold):
            if hold is None:
                return False
            events = journal_quick.number([(event, at_us) for _, event, at_us in steps], hold)
            is_written = await quickly(connection, hold, [row for row, _, _ in steps], events)
            if is_written:
                self._told(events[-1].sequence, are_new=True)
        return is_written

    @asynccontextmanager
    async def _quick(self) -> AsyncIterator[tuple[Connection, Hold | None]]:
        """Lend a connection; whoever wrote says so with `_told`, else the number is read again."""
        fence = self._written_fence()
        sequence, self._sequence = self._sequence, None
        hold = None
        if sequence is not None:
            hold = Hold(account=self._account, fence=fence, sequence=sequence)
        async with self._pool.connection() as connection:
            yield connection, hold

    def _written_fence(self) -> int:
        if self._fence is None or not self._has_seat:
            raise StoreError(f"account {self._account}: its seat is not held at the moment")
        return self._fence

    def _told(self, sequence: int, *, are_new: bool) -> None:
        self._sequence = sequence
        if are_new:
            self.events_waiting.set()

    async def mark_published(self, through_sequence: int) -> None:
        """Remember that every event up to this number has been published."""
        # Marking is not trading: an owner that lost its seat can only mark what it did publish.
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE order_events SET is_published = true "
                "WHERE account = $1 AND NOT is_published AND sequence <= $2",
                self._account,
                through_sequence,
            )

    async def prune_events(
        self, *, before_us: int, after_sequence: int, count_max: int
    ) -> Pruned | None:
        """Delete published events older than a moment, except the newest step of each command.

        Looks at `count_max` events after `after_sequence`, oldest first; None where none of them is
        old. Go on after `through`.

        Raises:
            StoreError: the server refused or vanished.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                _PRUNE, self._account, after_sequence, before_us, min(count_max, ROWS_MAX)
            )
        if row is None or row["through"] is None:
            return None
        return Pruned(row["deleted"], row["through"])


async def _lock(connection: Connection, account: str, fence: int) -> int:
    sequence = await connection.fetchval(
        "SELECT event_sequence FROM order_accounts WHERE account = $1 AND fence = $2 FOR UPDATE",
        account,
        fence,
    )
    if sequence is None:
        raise LeaseLost(f"account {account}: fence {fence} is no longer the newest")
    return int(sequence)
