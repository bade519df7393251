from __future__ import annotations

from executor.gate import Bar, Gate


def open_gate():
    gate = Gate()
    gate.open(*Bar)
    return gate


def test_gate_is_closed_until_the_seat_is_taken_and_the_book_compared():
    gate = Gate()
    assert not gate.passes("place")
    gate.open(Bar.SEAT)
    assert not gate.passes("place")
    assert gate.passes("cancel")
    gate.open(Bar.START)
    assert gate.passes("place")


def test_gate_closed_by_a_failing_broker_lets_cancels_pass():
    gate = open_gate()
    assert gate.close(Bar.BROKER, "503")
    assert not gate.close(Bar.BROKER, "503 again")
    assert (gate.passes("place"), gate.passes("cancel")) == (False, True)


def test_gate_closed_by_a_store_or_a_dead_session_lets_nothing_pass():
    for bar in (Bar.STORE, Bar.STREAMS, Bar.SESSION, Bar.SEAT):
        gate = open_gate()
        gate.close(bar, "away")
        assert not gate.passes("cancel")


async def test_gate_says_why_it_is_closed():
    gate = open_gate()
    gate.close(Bar.SESSION, "the token is dead")
    assert (await gate.check(Bar.SESSION)).reason == "the token is dead"
    assert (await gate.check(Bar.STORE)).ok
