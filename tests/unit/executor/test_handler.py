"""The handler over a journal in memory, for failures no real server gives on demand."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from executor.broker.circuit import Circuit
from executor.broker.egress import Egress
from executor.commands.handler import Handler
from executor.crash import never
from executor.desk import Desk, Verdict
from executor.gate import Bar, Gate
from executor.rules.risk import Market, Risk
from executor.steady import Patience
from shared.clock import ManualClock
from shared.errors import KiteThrottled, KiteUnavailable, StoreError
from shared.kite.sliced import Placed
from shared.resilience.breaker import Breaker, BreakerPolicy
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.wire.orders import State
from tests.unit.executor.builders import LIMITS, NOW_US, a_place, a_row, facts_of


class Journal:
    """One command's row; a commit can be lost on its way out, or only its confirmation."""

    def __init__(self, row):
        self.row = row
        self.events = []
        self.failures = []
        self.is_quick = False

    @asynccontextmanager
    async def change(self, *, at_us):
        change = SimpleNamespace(at_us=at_us, row=self.row, told=[])

        async def commands(_ids):
            return {change.row.command_id: change.row}

        async def save(after, *, was):
            assert change.row.state is was
            change.row = after

        async def nothing(*_arguments):
            return {}

        change.commands, change.save, change.orders = commands, save, nothing
        change.commands_by_tag = change.placements_of = nothing
        change.emit = change.told.append
        yield change
        failure = self.failures.pop(0) if self.failures else ""
        if failure != "lost":
            self.row = change.row
            self.events += [event.event for event in change.told]
        if failure:
            raise StoreError(failure)

    async def send_new(self, sending, event, *, at_us):
        assert at_us == NOW_US
        if not self.is_quick:
            return False
        self.row = sending
        self.events.append(event.event)
        return True

    async def accept_sent(self, accepted, event, *, at_us):
        assert at_us == NOW_US
        if not self.is_quick:
            return False
        self.row = accepted
        self.events.append(event.event)
        return True


class Broker:
    def __init__(self):
        self.placed = []
        self.errors = []

    async def place(self, _place, tag):
        self.placed.append(tag)
        if self.errors:
            raise self.errors.pop(0)
        return Placed("42")


class Knowledge:
    noted = 0
    looked_us = 0
    #: What lacks_price and awaits_price say, and what is known of the price.
    lacks, awaits, facts = False, False, {}

    def note_look(self, began_us):
        self.looked_us = began_us

    async def count_day(self, now_us):
        pass

    def note_sent(self, _facts):
        self.noted += 1

    def take_back(self, _facts):
        self.noted -= 1

    def note_answer(self, command, *, is_rejected):
        pass

    async def look(self, row):
        pass

    def lacks_price(self, _row):
        return self.lacks

    async def awaits_price(self, _row):
        return self.awaits

    def presume(self, row, now_us):
        return facts_of(a_place(), row=row, now_us=now_us, **self.facts)

    async def gather(self, _change, row):
        return facts_of(a_place(), row=row, looked_us=self.looked_us, **self.facts)


class Pace:
    def __init__(self):
        self.held, self.turns = [], 0

    async def turn(self, _row):
        self.turns += 1
        return True

    async def hold(self, seconds):
        self.held.append(seconds)


@pytest.fixture
def desk():
    gate = Gate()
    gate.open(*Bar)
    stopping = asyncio.Event()
    stopping.set()  # waits between attempts end at once
    clock = ManualClock(NOW_US * 1000)
    breaker = Breaker(BreakerPolicy())
    return Desk(
        egress=Egress(gate=gate, clock=clock, ask=None, registered=(), every_s=60),
        circuit=Circuit(breaker, account="AB1234", gate=gate, clock=clock),
        account="AB1234",
        journal=Journal(a_row()),
        broker=Broker(),
        knowledge=Knowledge(),
        pace=Pace(),
        patience=Patience(gate, RetryPolicy(base_s=0.001), random.Random(1), get_log()),
        clock=clock,
        attempts_max=2,
        attempt_gap_s=0.01,
        crash_point=never,
        stopping=stopping,
    )


async def test_handler_commits_sending_before_the_wire_and_the_outcome_after_it(desk):
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.DONE
    assert desk.journal.events == ["sending", "accepted"]
    assert (desk.journal.row.state, desk.journal.row.order_id) == (State.ACCEPTED, "42")
    assert desk.broker.placed == [desk.journal.row.tag]


async def test_handler_commits_sending_in_one_round_trip_where_nothing_is_against_it(desk):
    desk.journal.is_quick = True
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.DONE
    assert desk.journal.events == ["sending", "accepted"]
    assert (desk.journal.row.state, desk.journal.row.attempts) == (State.ACCEPTED, 1)
    assert desk.broker.placed == [desk.journal.row.tag]


@pytest.mark.parametrize("failure", ["lost", "confirmation lost"])
async def test_handler_sends_nothing_while_it_cannot_know_that_sending_is_committed(desk, failure):
    desk.journal.failures = [failure]
    handler = Handler(desk, set())
    with pytest.raises(StoreError):
        await handler.handle(desk.journal.row)
    assert desk.broker.placed == []
    assert await handler.handle(desk.journal.row) is Verdict.DONE
    assert len(desk.broker.placed) == 1
    assert desk.journal.row.state is State.ACCEPTED


async def test_handler_keeps_its_doubt_until_a_change_is_committed(desk):
    desk.journal.failures = ["confirmation lost", "lost"]
    handler = Handler(desk, set())
    for _ in range(2):
        with pytest.raises(StoreError):
            await handler.handle(desk.journal.row)
    assert await handler.handle(desk.journal.row) is Verdict.DONE
    assert len(desk.broker.placed) == 1


async def test_handler_records_an_answer_whose_commit_was_lost(desk):
    desk.journal.failures = ["", "lost", "confirmation lost"]
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.DONE
    assert desk.journal.row.state is State.ACCEPTED
    assert len(desk.broker.placed) == 1


async def test_handler_leaves_alone_what_another_process_was_sending(desk):
    desk.journal.row = replace(desk.journal.row, state=State.SENDING)
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.DONE
    assert desk.broker.placed == []
    assert desk.journal.row.state is State.SENDING


async def test_handler_sends_again_what_was_not_executed_then_gives_up(desk):
    desk.broker.errors = [KiteUnavailable("away"), KiteUnavailable("away")]
    handler = Handler(desk, set())
    assert await handler.handle(desk.journal.row) is Verdict.BACK
    assert desk.patience.gate.is_closed(Bar.BROKER)
    assert desk.journal.row.state is State.ADMITTED
    assert await handler.handle(desk.journal.row) is Verdict.DONE
    assert (desk.journal.row.state, desk.journal.row.reason.code) == (
        State.REFUSED,
        "attempts_spent",
    )
    assert len(desk.broker.placed) == 2


async def test_handler_sends_nothing_that_expired_while_it_waited_for_its_turn(desk):
    desk.journal.row = replace(desk.journal.row, valid_until_us=NOW_US)
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.DONE
    assert desk.journal.row.state is State.EXPIRED
    assert desk.broker.placed == []


async def test_429_pauses_the_account_after_the_last_attempt_as_well(desk):
    handler, row = Handler(desk, set()), desk.journal.row
    counted = REGISTRY.get_sample_value("tickflow_executor_throttled_total")
    desk.broker.errors = [KiteThrottled("slow down", retry_after_s=0.01) for _ in range(2)]
    assert await handler.handle(row) is Verdict.BACK
    assert await handler.handle(row) is Verdict.PARK, "the book was not read since"
    desk.knowledge.note_look(desk.journal.row.changed_us + 1)
    assert await handler.handle(row) is Verdict.DONE
    assert desk.journal.row.state is State.REFUSED
    assert desk.pace.held == [0.01, 0.01]
    assert REGISTRY.get_sample_value("tickflow_executor_throttled_total") == counted + 2


REQUIRED = {"limits": replace(LIMITS, risk=Risk(is_price_needed=True)), "market": Market()}


async def test_placement_without_a_price_asks_before_it_takes_a_turn_or_writes_anything(desk):
    desk.knowledge.lacks = desk.knowledge.awaits = True
    desk.knowledge.facts = REQUIRED
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.ASK
    assert (desk.journal.events, desk.journal.row.state) == ([], State.RECEIVED)
    assert (desk.pace.turns, desk.broker.placed) == (0, [])


async def test_placement_whose_price_stays_unknown_after_asking_is_refused_as_ever(desk):
    handler, desk.knowledge.lacks, desk.knowledge.awaits = Handler(desk, set()), True, True
    desk.knowledge.facts = REQUIRED
    assert await handler.handle(desk.journal.row) is Verdict.ASK
    desk.knowledge.awaits = False
    assert await handler.handle(desk.journal.row) is Verdict.DONE
    assert (desk.journal.row.state, desk.journal.row.reason.code) == (
        State.REFUSED,
        "last_price_unknown",
    )
    assert desk.broker.placed == []


async def test_placement_that_another_rule_refuses_does_not_ask(desk):
    desk.knowledge.lacks = desk.knowledge.awaits = True
    desk.knowledge.facts = {**REQUIRED, "placements_today": 100}
    assert await Handler(desk, set()).handle(desk.journal.row) is Verdict.DONE
    assert desk.journal.row.reason.code == "day_limit"
    assert desk.pace.turns == 0


async def test_placement_that_was_cancelled_while_it_asked_is_not_sent(desk):
    handler, desk.knowledge.lacks, desk.knowledge.awaits = Handler(desk, set()), True, True
    row = desk.journal.row
    assert await handler.handle(row) is Verdict.ASK
    desk.journal.row = replace(row, state=State.CANCELLED, is_open=False)
    desk.knowledge.lacks = desk.knowledge.awaits = False
    assert await handler.handle(row) is Verdict.DONE
    assert desk.broker.placed == []
