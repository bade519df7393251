from __future__ import annotations

import pytest

from executor.broker.broker import Lost, NotExecuted, Refused, Taken
from executor.broker.circuit import Circuit
from executor.gate import Bar, Gate
from shared.clock import ManualClock
from shared.resilience.breaker import Breaker, BreakerPolicy


@pytest.fixture
def gate():
    opened = Gate()
    opened.open(*Bar)
    return opened


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def circuit(gate, clock):
    policy = BreakerPolicy(failures_max=3, window_s=30, open_s=5)
    return Circuit(Breaker(policy), account="AB1234", gate=gate, clock=clock)


def read(circuit, *, succeeded=True):
    circuit.note_read(is_trial=circuit.ask_trial(), succeeded=succeeded)


def test_circuit_opens_after_failures_and_lets_cancels_through(circuit, gate):
    for is_open in (True, True, False):
        circuit.note(Lost("500"))
        assert gate.passes("place") is is_open
    assert gate.passes("cancel")


@pytest.mark.parametrize("outcome", [Refused("no money"), Taken("1"), NotExecuted("429", 1.0)])
def test_circuit_counts_neither_refusals_nor_limits(circuit, gate, outcome):
    for _ in range(10):
        circuit.note(outcome)
    read(circuit)
    assert gate.passes("place")


def test_circuit_is_closed_by_a_read_only_after_its_time(circuit, gate, clock):
    for _ in range(3):
        circuit.note(Lost("timed out"))
    clock.advance(4.9)
    read(circuit)
    assert not gate.passes("place")
    clock.advance(0.2)
    read(circuit)
    assert gate.passes("place")


def test_circuit_stays_open_where_the_read_fails(circuit, gate, clock):
    for _ in range(3):
        circuit.note(Lost("timed out"))
    clock.advance(5.1)
    read(circuit, succeeded=False)
    clock.advance(1)
    read(circuit)
    assert not gate.passes("place")
    clock.advance(4.1)
    read(circuit)
    assert gate.passes("place")


def test_one_request_that_did_not_leave_waits_for_one_read(circuit, gate):
    circuit.note(NotExecuted("refused"))
    assert not gate.passes("place")
    read(circuit)
    assert gate.passes("place")


def test_circuit_does_not_count_answers_that_are_only_odd(circuit, gate):
    for _ in range(10):
        circuit.note(Lost("400 timed out", is_failure=False))
        circuit.note(Refused("no money"))
    assert gate.passes("place")
