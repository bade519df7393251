"""What came of an order request, into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from executor.broker.broker import Lost, NotExecuted, Outcome, Refused, Request, Taken
from executor.broker.request import Begun
from executor.desk import Desk, Verdict
from executor.gate import Bar
from executor.journal.moves import hold_strategy, move
from executor.journal.sightings import sight
from executor.journal.slicing import record_slices
from executor.journal.telling import tell
from executor.metrics import THROTTLED_ANSWERS
from executor.rules.lifecycle import UNSENT, Step, advance, is_open
from executor.rules.reducer import BrokerOrder, parse_row
from executor.rules.throttled import THROTTLED
from shared.errors import KiteError, MessageError
from shared.runtime.supervise import pause
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.wire.orders import Cancel, Reason
from shared.wire.steps import Told

#: Kinds that an answer with one order_id accepts, whatever else there is to them.
_PLAIN: Final = frozenset({"place", "modify", "cancel"})


class Recorder:
    """Commits outcomes; it does not give up while the process lives."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # An answer is worth more than a fast stop: only the end of the process cuts this off.
        self._never = asyncio.Event()

    async def record(self, sent: Begun, outcome: Outcome) -> Verdict:
        """Commit the outcome; return whether the command may go out again.

        Raises:
            LeaseLost: another executor holds the account and will find the command SENDING.
        """
        seen = await self._look_at(sent.request, outcome)
        self._bar(outcome)
        command, command_id = sent.request.command, sent.row.command_id
        runaway = self._desk.knowledge.note_answer(command, is_rejected=_is_no(outcome))
        recorded: list[CommandRow] = []

        async def commit() -> None:
            if runaway is None and (accepted := await self._accept(sent.row, outcome)) is not None:
                recorded[:] = [accepted]
                return
            async with self._desk.journal.change(at_us=self._desk.clock.now_ns() // 1000) as change:
                is_sliced = isinstance(outcome, Taken) and bool(outcome.others or outcome.errors)
                await sight(change, [] if is_sliced else seen)
                row = (await change.commands([command_id]))[command_id]
                if isinstance(outcome, Taken) and is_sliced:
                    row = await record_slices(change, row, outcome, seen)
                else:
                    row = await _write(change, row, outcome, self._desk.attempts_max)
                recorded[:] = [row]
                if runaway is not None:
                    await hold_strategy(change, recorded[0], runaway)

        await self._desk.patience.until_done(commit, name="record", stopping=self._never)
        self._desk.look_soon.set()
        await self._hold(outcome)
        if recorded[0].state not in UNSENT:
            return Verdict.DONE
        if isinstance(outcome, NotExecuted):
            await pause(self._desk.stopping, max(outcome.pause_s, self._desk.attempt_gap_s))
        return Verdict.BACK

    async def _accept(self, row: CommandRow, outcome: Outcome) -> CommandRow | None:
        """Commit what nearly always comes, one order taken, in one round trip; None: not written.

        Raises:
            StoreError: PostgreSQL is away.
        """
        if not isinstance(outcome, Taken) or outcome.others or outcome.errors:
            return None
        if row.parent_command_id is not None or row.kind not in _PLAIN:
            return None
        state, at_us = advance(row.kind, row.state, Step.ACCEPT), self._desk.clock.now_ns() // 1000
        accepted = replace(
            row,
            state=state,
            is_open=is_open(row.kind, state),
            order_id=row.order_id or outcome.order_id or None,
            changed_us=at_us,
        )
        told = tell(Told.ACCEPTED, accepted)
        is_written = await self._desk.journal.accept_sent(accepted, told, at_us=at_us)
        return accepted if is_written else None

    def _bar(self, outcome: Outcome) -> None:
        gate = self._desk.patience.gate
        if isinstance(outcome, Refused) and outcome.is_session:
            gate.close(Bar.SESSION, outcome.message)
        self._desk.circuit.note(outcome)
        self._desk.egress.note(outcome)

    async def _hold(self, outcome: Outcome) -> None:
        """Let everybody who sends for the account wait after a 429, also after the last attempt."""
        if not isinstance(outcome, NotExecuted) or not outcome.pause_s:
            return
        THROTTLED_ANSWERS.inc()
        held_s = outcome.pause_s

        async def hold() -> None:
            await self._desk.pace.hold(held_s)

        await self._desk.patience.tried(hold, name="pause")

    async def _look_at(self, request: Request, outcome: Outcome) -> Sequence[BrokerOrder]:
        """Read the order a cancel was refused for, which may be cancelled, or slices just taken."""
        now_us = self._desk.clock.now_ns() // 1000
        try:
            if isinstance(outcome, Taken) and outcome.others:
                book = [
                    parse_row(row, observed_us=now_us) for row in await self._desk.broker.book()
                ]
                return [
                    each for each in book if each.order_id in (outcome.order_id, *outcome.others)
                ]
            if not isinstance(request.command, Cancel) or not isinstance(outcome, Refused):
                return []
            rows = await self._desk.broker.history(request.order_id)
            return [parse_row(row, observed_us=now_us) for row in rows[-1:]]
        except (KiteError, MessageError) as error:
            self._desk.patience.log.warning("order.history_unread", error=str(error))
            return []


def _is_no(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and not outcome.is_session


async def _write(
    change: Change, row: CommandRow, outcome: Outcome, attempts_max: int
) -> CommandRow:
    match outcome:
        case Taken(order_id):
            linked = row if row.order_id else replace(row, order_id=order_id or None)
            return await move(change, linked, Step.ACCEPT)
        case Refused(message, error_type, code):
            reason = Reason(code=code, sentence=message, measured=error_type)
            return await move(change, row, Step.REJECT, reason=reason)
        case Lost(message):
            reason = Reason(code="outcome_unknown", sentence=message)
            return await move(change, row, Step.LOSE, reason=reason)
        case NotExecuted(message, pause_s):
            code = THROTTLED if pause_s else "not_executed"
            reason = Reason(code=code, sentence=message)
            after = await move(change, row, Step.NOT_SENT, reason=reason)
            if after.state in UNSENT and after.attempts >= attempts_max:
                return await move(change, after, Step.REFUSE, reason=_spent(after, message))
            return after


def _spent(row: CommandRow, message: str) -> Reason:
    return Reason(
        code="attempts_spent",
        sentence=f"not executed in {row.attempts} attempts, the last: {message}",
        measured=str(row.attempts),
    )


RESTARTED: Final = Reason(
    code="restarted_while_sending",
    sentence="the executor ended between sending and the answer; the order book will tell",
)
