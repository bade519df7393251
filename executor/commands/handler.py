"""One command from its claim to its outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from executor.broker.broker import Outcome, send
from executor.broker.request import Begun, begun, ready
from executor.crash import CrashPoint
from executor.desk import Desk, Verdict
from executor.journal.claims import CANCELLED_UNSENT
from executor.journal.moves import hold_strategy, move
from executor.journal.record import Recorder
from executor.journal.telling import tell
from executor.lookup.following import follow, is_parent, spread
from executor.metrics import ANSWER, REFUSED, SENT, TO_WIRE
from executor.rules.decide import decide
from executor.rules.decision import (
    EndBoth,
    EndUnsent,
    Expire,
    Refuse,
    Send,
    Spread,
    Stay,
    Supersede,
    Wait,
)
from executor.rules.facts import Facts
from executor.rules.lifecycle import UNSENT, Step, advance
from executor.rules.reducing import raises_risk, side_of
from executor.rules.waits import expired, with_value
from shared.errors import StoreError
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.wire.orders import Modify, Reason, State
from shared.wire.steps import Told


class Handler:
    """Brings commands to the broker, each at most once."""

    def __init__(self, desk: Desk, in_doubt: set[str]) -> None:
        self._desk = desk
        self._recorder = Recorder(desk)
        #: Commands whose SENDING may have been committed although nothing was sent.
        self._in_doubt = in_doubt
        #: Placements that had their turn in vain: they take another only when they may go.
        self._held: set[str] = set()

    async def handle(self, row: CommandRow) -> Verdict:
        """Judge the command, wait for its turn, commit SENDING, send it, commit what came of it.

        Raises:
            StoreError: PostgreSQL is away; nothing was sent.
            StreamError: Redis is away; nothing was sent.
            LeaseLost: another executor holds the account; nothing was sent.
        """
        if await self._is_doubtful(row):
            if (verdict := await self.consider(row)) is not None:
                return verdict
            if await self._desk.knowledge.awaits_price(row):
                # Not while a turn is held: a price that Kite tells late would let it lapse.
                return Verdict.ASK
        if not await self._desk.pace.turn(row):
            return Verdict.BACK
        await self._desk.knowledge.look(row)
        self._desk.crash_point(CrashPoint.BEFORE_SENDING)
        found = await self._begin(row)
        if isinstance(found, Verdict):
            self._hold(row, found)
            return found
        self._held.discard(row.command_id)
        return await self.finish(found)

    async def _is_doubtful(self, row: CommandRow) -> bool:
        """Tell whether the command may end, or has to wait, before it takes a turn."""
        if row.kind != "place" or row.parent_command_id is not None or row.command_id in self._held:
            return True
        await self._desk.knowledge.look(row)
        return self._desk.knowledge.lacks_price(row)

    async def finish(self, sent: Begun) -> Verdict:
        """Send what is SENDING, commit what came of it.

        Raises:
            LeaseLost: another executor holds the account and will find the command SENDING.
        """
        self._desk.crash_point(CrashPoint.BEFORE_WIRE)
        outcome = await self._send(sent)
        self._desk.crash_point(CrashPoint.AFTER_WIRE)
        verdict = await self._recorder.record(sent, outcome)
        self._desk.crash_point(CrashPoint.AFTER_OUTCOME)
        return verdict

    async def consider(self, row: CommandRow) -> Verdict | None:
        """End, or park, a command that will not be sent; None where it may go.

        Raises:
            StoreError: PostgreSQL is away.
        """
        async with self._change(row) as change:
            facts = await self._facts(change, row)
            if facts is None:
                current = (await change.commands([row.command_id]))[row.command_id]
                return await follow(change, current) if is_parent(current) else Verdict.DONE
            # A price that is not known may yet be asked for: only `_begin` refuses for want of it.
            is_known = facts.market.last_price is not None
            facts = replace(facts, market=replace(facts.market, is_looked_at=is_known))
            decision = decide(facts)
            if isinstance(decision, Send):
                return None
            verdict = await self._end(change, facts, decision)
        self._hold(row, verdict)
        return verdict

    def _hold(self, row: CommandRow, verdict: Verdict) -> None:
        if verdict is Verdict.PARK:
            self._held.add(row.command_id)
        else:
            self._held.discard(row.command_id)

    async def _begin(self, row: CommandRow) -> Begun | Verdict:
        """Commit SENDING with the tag, or what keeps the command from it."""
        await self._desk.knowledge.count_day(self._now_us())
        if (found := await self._begin_new(row)) is not None:
            return found
        noted: Facts | None = None
        try:
            async with self._change(row) as change:
                facts = await self._facts(change, row)
                if facts is None:
                    return Verdict.DONE
                decision = decide(facts)
                if not isinstance(decision, Send):
                    return await self._end(change, facts, decision)
                noted = facts
                self._desk.knowledge.note_sent(facts)
                sending = await self._commit_sending(change, facts, decision)
        except StoreError:
            if noted is not None:
                self._desk.knowledge.take_back(noted)
            self._in_doubt.add(row.command_id)
            raise
        return begun(facts, decision, sending)

    async def _begin_new(self, row: CommandRow) -> Begun | None:
        """Commit SENDING in one round trip where nothing speaks against it, which is nearly always.

        None means that nothing was written, so that the longer way is to say why.
        """
        is_new = row.kind == "place" and row.state is State.RECEIVED
        if not is_new or row.parent_command_id is not None or self._is_known(row):
            return None
        facts = self._desk.knowledge.presume(row, self._now_us())
        decision = decide(facts)
        if not isinstance(decision, Send):
            return None
        sending = ready(facts, decision, account=self._desk.account)
        sending = replace(sending, state=advance(row.kind, row.state, Step.SEND))
        # Counted before it is written: what is decided meanwhile is judged with it.
        self._desk.knowledge.note_sent(facts)
        is_sent = False
        try:
            told = tell(Told.SENDING, sending)
            is_sent = await self._desk.journal.send_new(sending, told, at_us=facts.now_us)
        except StoreError:
            self._in_doubt.add(row.command_id)
            raise
        finally:
            if not is_sent:
                self._desk.knowledge.take_back(facts)
        return begun(facts, decision, sending) if is_sent else None

    def _is_known(self, row: CommandRow) -> bool:
        return row.command_id in self._in_doubt or row.command_id in self._held

    @asynccontextmanager
    async def _change(self, row: CommandRow) -> AsyncIterator[Change]:
        """Enter a change; once it is committed there is no doubt about the command any more."""
        async with self._desk.journal.change(at_us=self._now_us()) as change:
            yield change
        self._in_doubt.discard(row.command_id)

    async def _facts(self, change: Change, row: CommandRow) -> Facts | None:
        """Return what is known of the command, None where it has left this desk already."""
        current = (await change.commands([row.command_id]))[row.command_id]
        if row.command_id in self._in_doubt and current.state is State.SENDING:
            current = await move(change, current, Step.NOT_SENT)
        if current.state not in UNSENT:
            return None
        return await self._desk.knowledge.gather(change, current)

    async def _commit_sending(self, change: Change, facts: Facts, decision: Send) -> CommandRow:
        row = ready(facts, decision, account=self._desk.account)
        if isinstance(facts.command, Modify):
            known = (await change.orders([decision.order_id]))[decision.order_id]
            await change.save_order(replace(known, modifications=known.modifications + 1))
            if facts.order is not None and raises_risk(facts.command, facts.order):
                # Should it end in doubt, what adds to the same side waits.
                row = replace(row, exposure=side_of(facts.order))
        return await move(change, row, Step.SEND, order=facts.order)

    async def _end(self, change: Change, facts: Facts, decision: Stay) -> Verdict:
        """Write what a decision other than Send means; what it waits for is told once."""
        row = facts.row
        if isinstance(decision, Wait) and decision.reason and row.command_id not in self._held:
            change.emit(tell(Told.WAITING, row, reason=decision.reason))
        held_by = self._desk.patience.gate.why_held(row.kind)
        return await _end(change, facts, decision, held_by)

    async def _send(self, sent: Begun) -> Outcome:
        TO_WIRE.observe(max(0, self._now_us() - sent.row.received_us) / 1e6)
        began_s = self._desk.clock.monotonic_s()
        outcome = await send(self._desk.broker, sent.request)
        ANSWER.observe(self._desk.clock.monotonic_s() - began_s)
        SENT.labels(kind=sent.row.kind, outcome=type(outcome).__name__.lower()).inc()
        return outcome

    def _now_us(self) -> int:
        return self._desk.clock.now_ns() // 1000


async def _end(change: Change, facts: Facts, decision: Stay, held_by: str) -> Verdict:
    """Write what a decision other than Send means; `held_by` is what keeps every command back."""
    match decision:
        case Expire():
            await move(change, facts.row, Step.EXPIRE, reason=expired(facts, held_by))
        case Refuse(reason):
            after = await move(change, facts.row, Step.REFUSE, reason=with_value(reason, facts))
            REFUSED.labels(code=reason.code).inc()
            if decision.holds_strategy:
                await hold_strategy(change, after, reason)
        case EndBoth(placement):
            await move(change, placement, Step.END_UNSENT, reason=CANCELLED_UNSENT)
            await move(change, facts.row, Step.END_UNSENT)
        case EndUnsent(reason):
            await move(change, facts.row, Step.END_UNSENT, reason=reason)
        case Spread(commands):
            return await spread(change, facts.row, commands)
        case Supersede(by_command_id):
            await move(change, facts.row, Step.END_UNSENT, reason=_superseded(by_command_id))
        case Wait(bury):
            await _wait(change, facts, bury=bury)
            return Verdict.PARK
    return Verdict.DONE


async def _wait(change: Change, facts: Facts, *, bury: bool) -> None:
    target = facts.row.target_command_id
    if bury and target is not None:
        is_first = await change.bury(target, by_command_id=facts.row.command_id)
        if is_first:
            change.emit(tell(Told.WAITING, facts.row, reason=_UNREAD))


def _superseded(by_command_id: str) -> Reason:
    sentence = f"modify {by_command_id} of the same order came before this one was sent"
    return Reason(code="superseded", sentence=sentence, measured=by_command_id)


_UNREAD = Reason(
    code="target_unread",
    sentence="the placement has not been read yet; when it is, it will not be sent",
    field="target_command_id",
)
