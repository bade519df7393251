"""Commands from their stream into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from executor.commands.dispatch import Dispatcher
from executor.commands.express import Express
from executor.crash import CrashPoint
from executor.desk import Desk
from executor.journal import switching
from executor.journal.asked import new_command
from executor.journal.claims import claim
from executor.journal.telling import tell, tell_malformed
from executor.metrics import CLAIMED, DEAD
from executor.rules.backlog import Backlog
from executor.rules.lifecycle import UNSENT
from shared.errors import MessageError, StoreError
from shared.store.journal_quick import received_row
from shared.store.rows import CommandRow, Encoding, NewCommand
from shared.streams.entry import Entry
from shared.streams.reader import GroupReader
from shared.wire.codec import JSON_FIELD, MSGPACK_FIELD, decode
from shared.wire.decimals import DIGITS_MAX, is_sane
from shared.wire.orders import Command, OrderEvent, State
from shared.wire.steps import Told
from shared.wire.unreadable import explain

#: An entry held for this long without an acknowledgement fell between a read and an error.
ABANDONED_MS: Final = 5_000

_ENCODINGS: Final[tuple[tuple[bytes, Encoding], ...]] = (
    (JSON_FIELD, "json"),
    (MSGPACK_FIELD, "msgpack"),
)


#: Characters of an id that is told back although no command may have it.
_ID_CHARACTERS_MAX: Final = 64


class _Named(msgspec.Struct):
    command_id: str


class Intake:
    """Claims whatever is read; an entry is acknowledged when its claim is committed."""

    def __init__(
        self,
        *,
        reader: GroupReader,
        desk: Desk,
        backlog: Backlog,
        express: Express,
        dispatcher: Dispatcher,
        work: asyncio.Event,
    ) -> None:
        self._express = express
        self._dispatcher = dispatcher
        self._reader = reader
        self._journal = desk.journal
        self._account = desk.account
        self._backlog = backlog
        self._pace = desk.pace
        self._knowledge = desk.knowledge
        self._clock = desk.clock
        self._crash_point = desk.crash_point
        self._work = work
        self._unclaimed: list[Entry] = []
        self._unacknowledged: list[Entry] = []
        #: Commands whose claim may have been committed although its answer never came.
        self._in_doubt: set[str] = set()
        self._next_rescue_s = 0.0

    async def take_over(self) -> None:
        """Claim what an earlier process of this account read and did not acknowledge.

        Raises:
            StreamError: Redis is away.
            StoreError: PostgreSQL is away.
        """
        await self._reader.ensure()
        await self._settle()
        while entries := await self._reader.claim_abandoned(0):
            await self._take(entries)

    async def step(self) -> None:
        """Read once, claim, acknowledge.

        Raises:
            StreamError: Redis is away; what was claimed is acknowledged next time.
            StoreError: PostgreSQL is away; what was read is claimed next time.
        """
        await self._settle()
        if self._clock.monotonic_s() >= self._next_rescue_s:
            self._next_rescue_s = self._clock.monotonic_s() + ABANDONED_MS / 1000
            await self._take(await self._reader.claim_abandoned(ABANDONED_MS))
        await self._take(await self._reader.read())

    async def _settle(self) -> None:
        """Finish what a failure interrupted."""
        await self._acknowledge(())
        await self._take(())

    async def _take(self, entries: Sequence[Entry]) -> None:
        self._unclaimed += entries
        given: list[NewCommand] = []
        good: list[Entry] = []
        for entry in tuple(self._unclaimed):
            try:
                given.append(_command_of(entry))
                good.append(entry)
            except MessageError as error:
                await self._give_up(entry, str(error))
                self._unclaimed.remove(entry)
        if given:
            await self._claim(given)
        self._unclaimed.clear()
        await self._acknowledge(good)

    async def _claim(self, given: Sequence[NewCommand]) -> None:
        self._crash_point(CrashPoint.BEFORE_CLAIM)
        if len(given) == 1 and self._dispatcher.is_idle:
            with self._dispatcher.reserve():
                if (begun := await self._express.begin(given[0])) is not None:
                    CLAIMED.labels(kind=begun.row.kind).inc()
                    self._dispatcher.carry_on(begun)
                    return
        if not self._backlog and not self._awaits_price(given):
            # Nothing is before it in the queue: its turn is taken while its claim is committed.
            self._pace.foresee(only_cancels=all(each.kind == "cancel" for each in given))
            # The request for it leaves first: Redis and PostgreSQL write side by side.
            await asyncio.sleep(0)
        for row in await self._commit(given):
            CLAIMED.labels(kind=row.kind).inc()
            self._backlog.add(row)
            if row.kind == "place":
                self._knowledge.expect_price(row)
        await self._take_up_doubtful(given)
        self._work.set()

    async def _commit(self, given: Sequence[NewCommand]) -> Sequence[CommandRow]:
        at_us = self._clock.now_ns() // 1000
        try:
            if not any(each.kind in switching.KINDS for each in given):
                found = await self._journal.claim_new(given, at_us=at_us, tell=_tell_received)
                if found is not None:
                    return found
            async with self._journal.change(at_us=at_us) as change:
                return await claim(change, given, account=self._account)
        except StoreError:
            self._in_doubt.update(each.command_id for each in given)
            raise

    def _awaits_price(self, given: Sequence[NewCommand]) -> bool:
        """Tell whether the one command asks for a price first: a turn taken now would lapse."""
        if len(given) != 1 or given[0].kind != "place":
            return False
        row = received_row(given[0], serial=0, at_us=self._clock.now_ns() // 1000)
        return self._knowledge.lacks_price(row)

    async def _take_up_doubtful(self, given: Sequence[NewCommand]) -> None:
        """Queue what was claimed, or is SENDING, by a commit that nobody saw end; it never left."""
        for command in given:
            is_express = command.command_id in self._express.in_doubt
            if is_express or command.command_id in self._in_doubt:
                row = await self._journal.command(command.command_id)
                is_sending = is_express and row is not None and row.state is State.SENDING
                if row is not None and (is_sending or row.state in UNSENT):
                    self._backlog.add(row)
                self._in_doubt.discard(command.command_id)

    async def _acknowledge(self, entries: Sequence[Entry]) -> None:
        self._unacknowledged += entries
        if not self._unacknowledged:
            return
        self._crash_point(CrashPoint.BEFORE_ACKNOWLEDGE)
        await self._reader.acknowledge(self._unacknowledged)
        self._crash_point(CrashPoint.AFTER_ACKNOWLEDGE)
        self._unacknowledged.clear()

    async def _give_up(self, entry: Entry, sentence: str) -> None:
        reason = explain(sentence, entry.fields, Command)
        command_id = _named_in(entry)
        if not command_id:
            # Its writer knows it by nothing but the number that the XADD returned.
            reason = replace(reason, sentence=f"entry {entry.id}: {reason.sentence}")
        async with self._journal.change(at_us=self._clock.now_ns() // 1000) as change:
            is_known = bool(command_id) and bool(await change.commands([command_id]))
            event = tell_malformed(command_id, is_known=is_known, reason=reason)
            change.emit(event, is_step=False)
        await self._reader.dead_letter(entry, reason.sentence, entry.deliveries)
        DEAD.labels(stream="commands").inc()


def _command_of(entry: Entry) -> NewCommand:
    command: Command = decode(entry.fields, Command)
    for name in ("price", "trigger_price"):
        price = getattr(command, name, None)
        if price is not None and not is_sane(price):
            rule = f"Expected a number of at most {DIGITS_MAX} digits a side"
            raise MessageError(f"{rule} - at `$.{name}`")
    field, encoding = next(each for each in _ENCODINGS if each[0] in entry.fields)
    return new_command(command, encoding=encoding, payload=entry.fields[field])


def _tell_received(row: CommandRow) -> OrderEvent:
    return tell(Told.RECEIVED, row)


def _named_in(entry: Entry) -> str:
    """Return the command_id of an entry that is no command, "" where none can be told back."""
    try:
        named: _Named = decode(entry.fields, _Named)
    except MessageError:
        return ""
    is_tellable = named.command_id.isprintable() and len(named.command_id) <= _ID_CHARACTERS_MAX
    return named.command_id if is_tellable else ""
