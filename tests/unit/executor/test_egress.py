from __future__ import annotations

import pytest

from executor.broker.broker import Refused
from executor.broker.egress import Egress
from executor.gate import Bar, Gate
from shared.clock import ManualClock
from shared.errors import KiteUnavailable

REFUSAL = Refused("IP (203.0.113.9) is not allowed", code="broker_egress_blocked")


@pytest.fixture
def gate():
    opened = Gate()
    opened.open(*Bar)
    return opened


def watching(gate, clock, answers=None):
    async def ask():
        answer = answers.pop(0)
        if not answer:
            raise KiteUnavailable("no answer")
        return answer

    return Egress(
        gate=gate,
        clock=clock,
        ask=None if answers is None else ask,
        registered=("192.0.2.1", "192.0.2.2"),
        every_s=60,
    )


async def test_refusal_of_the_address_holds_entries_until_the_broker_may_be_asked_again(gate):
    clock = ManualClock()
    egress = watching(gate, clock)
    egress.note(Refused("no money", code="broker_margin"))
    assert gate.passes("place")
    egress.note(REFUSAL)
    assert not gate.passes("place")
    assert gate.passes("cancel")
    check = await gate.check(Bar.EGRESS)
    assert check.reason == "EGRESS_BLOCKED: IP (203.0.113.9) is not allowed"
    await egress.check()
    assert gate.passes("place")


async def test_address_that_is_not_registered_holds_entries_until_it_is(gate):
    egress = watching(gate, ManualClock(), ["203.0.113.9", "", "192.0.2.2"])
    for passes in (False, False, True):
        await egress.check()
        assert gate.passes("place") is passes


async def test_check_without_an_answer_changes_nothing(gate):
    egress = watching(gate, ManualClock(), [""])
    await egress.check()
    assert gate.passes("place")
