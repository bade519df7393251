"""Compares the broker's order book with the journal until nothing is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from executor.desk import Desk
from executor.gate import Bar
from executor.journal.echoes import Echoes
from executor.journal.moves import move
from executor.journal.record import RESTARTED
from executor.journal.sightings import accept_if_in_effect, settle_modify, sight
from executor.lookup.settling import read_evidence, settle_write
from executor.lookup.standing import Standing
from executor.metrics import LIMBO, LOOKS
from executor.rules import absence, writes
from executor.rules.absence import Absent, Looks
from executor.rules.backlog import Backlog
from executor.rules.lifecycle import Step
from executor.rules.reducer import BrokerOrder, parse_row
from executor.rules.writes import Evidence
from executor.settings import BehaviourSettings
from shared.errors import KiteError, KiteSessionExpired, MessageError
from shared.runtime.supervise import pause
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.streams.writer import Append, StreamWriter
from shared.wire.codec import encode
from shared.wire.orders import BrokerUpdate, Reason, State
from shared.wire.topics import UPDATES

#: Entries of one write to the stream of updates.
_UPDATES_MAX = 1000
#: A cancel that has not worked by then is worth an alert.
LIMBO_AFTER_US = 30_000_000
#: Kinds that make something new.
_NEW = ("place", "gtt_place", "mf_place", "sip_place")
#: Among those that were sent and certainly not executed are some that a look lets go again.
_LOOKED_FOR = (State.ADMITTED,)
_FOLLOWED = (State.UNKNOWN, State.ACCEPTED, State.PARTIALLY_ACCEPTED, State.OPEN)


class Reconciler:
    """Looks at the order book: once at the start, then while anything is open."""

    def __init__(
        self,
        *,
        desk: Desk,
        backlog: Backlog,
        behaviour: BehaviourSettings,
        updates: StreamWriter,
        echoes: Echoes,
        work: asyncio.Event,
    ) -> None:
        self._desk = desk
        self._backlog = backlog
        self._behaviour = behaviour
        self._updates = updates
        self._echoes = echoes
        self._work = work
        self._standing = Standing(desk.journal, desk.clock, behaviour.modifications_max)
        self._looks: dict[str, Looks] = {}
        self._is_blind = False
        #: Whether every row of the newest book could be read.
        self._is_whole = False
        #: The rows of the newest look, parsed: most of a book is as it was.
        self._parsed: dict[bytes, BrokerOrder] = {}

    async def doubt_what_was_sending(self) -> None:
        """Turn every SENDING of an earlier process into UNKNOWN, to be looked for.

        Raises:
            StoreError: PostgreSQL is away.
        """
        async with self._desk.journal.change(at_us=self._now_us()) as change:
            for row in await change.open_in([State.SENDING]):
                await move(change, row, Step.LOSE, reason=RESTARTED)

    async def run(self, stopping: asyncio.Event) -> None:
        """Look at once, when asked, ever more rarely while something is open, until `stopping`."""
        delay_s = self._behaviour.poll_s_min
        await self._desk.patience.tried(self.look, name="look")
        while not stopping.is_set():
            if await self._is_asked(delay_s):
                # What was sent a moment ago is told by events first; the book comes after them.
                delay_s = self._behaviour.poll_s_min
                await pause(stopping, delay_s)
            if not stopping.is_set() and await self._is_needed():
                await self._desk.patience.tried(self.close_day, name="end of the day")
                await self._desk.patience.tried(self.look, name="look")
                delay_s = min(delay_s * 2, self._behaviour.poll_s_max)

    async def close_day(self) -> None:
        """Leave what is unknown to a person before the book that might show it is cleared.

        Raises:
            StoreError: PostgreSQL is away.
        """
        now_us = self._now_us()
        if not absence.is_closing(now_us, now_us):
            return
        async with self._desk.journal.change(at_us=now_us) as change:
            for row in await change.open_in([State.UNKNOWN]):
                if absence.is_closing(row.sending_us or row.received_us, now_us):
                    await move(change, row, Step.GIVE_UP, reason=absence.BOOK_CLEARED)

    async def look(self) -> None:
        """Read the book once; bring every command where its order is.

        Raises:
            KiteError: the book was not read.
            StoreError: PostgreSQL is away.
            StreamError: the sightings were not passed on; they are in the journal.
        """
        began_us = self._now_us()
        rows = await self._read()
        sightings = self._parse(rows, began_us)
        evidence = await read_evidence(self._desk)
        async with self._desk.journal.change(at_us=self._now_us()) as change:
            news = await sight(change, [order for order, _row in sightings])
            await self._settle_writes(change, evidence)
            again = await self._judge(change, sightings, began_us)
        self._desk.knowledge.note_look(began_us)
        LOOKS.labels(outcome="read").inc()
        self._desk.patience.gate.open(Bar.START, Bar.SESSION)
        for command in again:
            self._backlog.add(command)
        self._backlog.wake()
        self._work.set()
        if any(order.filled_quantity for order in news):
            self._desk.sync_soon.set()
        changed = {order.order_id for order in news}
        await self._pass_on([row for order, row in sightings if order.order_id in changed])

    async def _settle_writes(self, change: Change, evidence: Evidence | None) -> None:
        """End the writes that the broker's lists show; without lists no look counts for them."""
        self._is_blind = evidence is None
        if evidence is None:
            return
        for row in await change.open_in([State.UNKNOWN]):
            if row.kind in writes.KINDS:
                await settle_write(change, row, evidence)

    async def _read(self) -> Sequence[bytes]:
        circuit = self._desk.circuit
        is_trial, succeeded = circuit.ask_trial(), False
        try:
            rows = await self._desk.broker.book()
            succeeded = True
        except KiteSessionExpired as error:
            succeeded = True  # the broker is there; it is the session that is not
            LOOKS.labels(outcome="session_dead").inc()
            self._desk.patience.gate.close(Bar.SESSION, str(error))
            raise
        except KiteError:
            LOOKS.labels(outcome="failed").inc()
            raise
        finally:
            circuit.note_read(is_trial=is_trial, succeeded=succeeded)
        return rows

    def _parse(self, rows: Sequence[bytes], began_us: int) -> list[tuple[BrokerOrder, bytes]]:
        parsed: list[tuple[BrokerOrder, bytes]] = []
        before, self._parsed = self._parsed, {}
        for row in rows:
            try:
                order = before.get(row) or parse_row(row, observed_us=began_us)
            except MessageError as error:
                LOOKS.labels(outcome="row_unreadable").inc()
                self._desk.patience.log.warning("order.row_unreadable", error=str(error))
                continue
            self._parsed[row] = order
            # A row is as old as the request for it may be.
            parsed.append((replace(order, observed_us=began_us), row))
        self._is_whole = len(parsed) == len(rows)
        return parsed

    async def _judge(
        self, change: Change, sightings: Sequence[tuple[BrokerOrder, bytes]], began_us: int
    ) -> list[CommandRow]:
        """Draw the conclusions from what the book does not show; return cancels to issue again."""
        book = {order.order_id: order for order, _row in sightings}
        again: list[CommandRow] = []
        followed = await change.open_in(_FOLLOWED)
        self._looks = {
            row.command_id: self._looks[row.command_id]
            for row in followed
            if row.command_id in self._looks
        }
        LIMBO.set(sum(_is_in_limbo(row, began_us) for row in followed))
        for row in await change.open_in([State.ADMITTED]):
            await accept_if_in_effect(change, row, book.get(row.order_id or ""), began_us)
        for row in followed:
            if self._is_blind and row.kind in writes.KINDS:
                continue
            order = book.get(row.order_id or "")
            if _is_to_reissue(row, order, began_us):
                again.append(await move(change, row, Step.REISSUE))
                continue
            if row.kind == "modify" and order is not None:
                row = await settle_modify(change, row, order)  # noqa: PLW2901  # as it is now
                if row.state is not State.UNKNOWN:
                    continue
            reason = self._given_up(row, order, began_us)
            if reason is not None:
                await self._end(change, row, reason, began_us)
        return again

    async def _end(self, change: Change, row: CommandRow, reason: Reason, began_us: int) -> None:
        """Leave a command to a person, but for a cancel of what was never there."""
        is_proof = reason is absence.NOT_IN_EFFECT and self._is_whole
        if is_proof and row.order_id is not None and await _names_nothing(change, row):
            after_s = (began_us - (row.sending_us or row.received_us)) / 1e6
            unknown = absence.unknown_order(row.order_id, after_s)
            await move(change, row, Step.REJECT, reason=unknown)
            return
        self._desk.patience.log.warning(
            "order.given_up", command_id=row.command_id, tag=row.tag, code=reason.code
        )
        await move(change, row, Step.GIVE_UP, reason=reason)

    def _given_up(self, row: CommandRow, order: BrokerOrder | None, began_us: int) -> Reason | None:
        """Return why a person has to look at the command, or None while there is hope."""
        sent_us = row.sending_us or row.received_us
        if absence.is_of_earlier_day(sent_us, began_us) and (order is None or row.kind != "place"):
            return absence.BOOK_CLEARED
        if row.state is not State.UNKNOWN or (row.kind == "cancel" and order is not None):
            return None
        if row.kind in writes.UNPROVABLE:
            return absence.UNPROVABLE
        settle_s = self._behaviour.settle_s
        looks = self._looks.get(row.command_id) or absence.first_look(sent_us, settle_s)
        looks, verdict = absence.count_look(
            looks, began_us=began_us, sent_us=sent_us, settle_s=settle_s
        )
        self._looks[row.command_id] = looks
        if verdict is Absent.WAIT:
            return None
        return absence.NEVER_SEEN if row.kind in _NEW else absence.NOT_IN_EFFECT

    async def _pass_on(self, rows: Sequence[bytes]) -> None:
        """Tell the stream of updates what only the poll has seen."""
        for start in range(0, len(rows), _UPDATES_MAX):
            updates = [
                BrokerUpdate(source="poll", received_at_us=self._now_us(), row=msgspec.Raw(row))
                for row in rows[start : start + _UPDATES_MAX]
            ]
            written = await self._updates.append(
                [Append(UPDATES, self._desk.account, encode(update)) for update in updates]
            )
            self._echoes.expect(written)

    async def _is_needed(self) -> bool:
        """Tell whether the book could change anything that is known."""
        counts: dict[State, int] = {}

        async def count() -> None:
            counts.update(await self._standing.count())

        if not await self._desk.patience.tried(count, name="count"):
            return False
        gate = self._desk.patience.gate
        is_held = any(gate.is_closed(bar) for bar in (Bar.START, Bar.SESSION, Bar.BROKER))
        return is_held or any(counts.get(state) for state in (*_FOLLOWED, *_LOOKED_FOR))

    async def _is_asked(self, delay_s: float) -> bool:
        """Wait `delay_s`, less where a look may count sooner; tell whether somebody asked."""
        due_us = min((looks.next_us for looks in self._looks.values()), default=None)
        if due_us is not None:
            due_s = (due_us - self._now_us()) / 1e6
            delay_s = min(delay_s, max(self._behaviour.poll_s_min, due_s))
        try:
            async with asyncio.timeout(delay_s):
                await self._desk.look_soon.wait()
        except TimeoutError:
            return False
        self._desk.look_soon.clear()
        return True

    def _now_us(self) -> int:
        return self._desk.clock.now_ns() // 1000


async def _names_nothing(change: Change, row: CommandRow) -> bool:
    """Tell whether a cancel names an order_id that nobody here made and nobody has ever seen."""
    if row.kind != "cancel" or row.target_command_id is not None or row.order_id is None:
        return False
    named = [row.order_id]
    return not await change.orders(named) and not await change.placements_of(named)


def _is_in_limbo(row: CommandRow, began_us: int) -> bool:
    is_taken = row.kind == "cancel" and row.state is State.ACCEPTED
    return is_taken and began_us - row.changed_us > LIMBO_AFTER_US


def _is_to_reissue(row: CommandRow, order: BrokerOrder | None, began_us: int) -> bool:
    """Tell whether a cancel that may have been lost is to go out again: its order still lives."""
    if row.kind != "cancel" or row.state is not State.UNKNOWN or order is None:
        return False
    is_pending = order.status == "CANCEL PENDING"
    return began_us >= row.changed_us and not order.is_terminal and not is_pending
