"""A placement alone in the queue: claimed and written as SENDING by one commit.

Nothing is before it, so nothing is lost by taking its turn and judging it before it is claimed:
where all is well its claim and its SENDING are one statement, which saves the second wait for the
disk. Where anything is not as usual nothing is written, and it goes the longer way.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from executor.broker.request import Begun, begun, ready
from executor.crash import CrashPoint
from executor.desk import Desk
from executor.journal.telling import tell
from executor.rules.decide import decide
from executor.rules.decision import Send
from executor.rules.lifecycle import Step, advance
from shared.errors import StoreError
from shared.store.journal_quick import received_row
from shared.store.rows import NewCommand
from shared.wire.steps import Told


class Express:
    """The short way of a placement from its entry to the wire."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        #: Placements that may be SENDING in the journal although nothing was sent.
        self.in_doubt: set[str] = set()

    async def begin(self, command: NewCommand) -> Begun | None:
        """Claim the placement and commit its SENDING; None where it has to go the longer way.

        Raises:
            StoreError: PostgreSQL is away; nothing was sent.
        """
        if command.kind != "place" or command.command_id in self.in_doubt:
            return None
        desk = self._desk
        row = received_row(command, serial=0, at_us=self._now_us())
        # Commands behind it, cancels among them, are not read while it waits for a price.
        if desk.knowledge.lacks_price(row):
            return None
        # The price is read while the turn is taken: Redis answers both at once.
        desk.pace.foresee(only_cancels=False)
        await asyncio.sleep(0)
        await desk.knowledge.look(row)
        await desk.knowledge.count_day(self._now_us())
        if desk.knowledge.lacks_price(row) or not await desk.pace.is_ahead(row):
            return None
        facts = desk.knowledge.presume(row, self._now_us())
        decision = decide(facts)
        if not isinstance(decision, Send) or desk.stopping.is_set():
            return None
        if not desk.pace.use_ahead(row):
            return None
        desk.crash_point(CrashPoint.BEFORE_SENDING)
        sending = ready(facts, decision, account=desk.account)
        sending = replace(sending, state=advance(row.kind, row.state, Step.SEND))
        events = tell(Told.RECEIVED, row), tell(Told.SENDING, sending)
        # Counted before it is written: what is decided meanwhile is judged with it.
        desk.knowledge.note_sent(facts)
        written = None
        try:
            written = await desk.journal.place_new(command, sending, events, at_us=facts.now_us)
        except StoreError:
            self.in_doubt.add(command.command_id)
            raise
        finally:
            if written is None:
                desk.knowledge.take_back(facts)
        return None if written is None else begun(facts, decision, written)

    def _now_us(self) -> int:
        return self._desk.clock.now_ns() // 1000
