"""When to stop sending to a broker that does not answer: the breaker of the order requests.

It counts connections that fail, answers that never came, errors of the broker's own server (5xx),
nothing else: an answer that is only odd, a 400 "timed out" among them, shows a broker that is
there. While it is open cancels go out all the same; the trial that closes it is a look at the order
book, never an order.
"""

from __future__ import annotations

from executor.broker.broker import Lost, NotExecuted, Outcome
from executor.broker.pace import ORDER_REQUESTS
from executor.gate import Bar, Gate
from executor.metrics import CIRCUIT
from shared.clock import Clock
from shared.resilience.breaker import Breaker, BreakerState


class Circuit:
    """One account's circuit of order requests, with the gate it keeps shut."""

    def __init__(self, breaker: Breaker, *, account: str, gate: Gate, clock: Clock) -> None:
        self._breaker = breaker
        self._key = account, ORDER_REQUESTS
        self._gate = gate
        self._clock = clock

    def note(self, outcome: Outcome) -> None:
        """Count the outcome of an order request; shut the gate where it is one too many."""
        match outcome:
            case Lost(message, is_failure=True):
                self._failed(message)
            case NotExecuted(message, pause_s):
                # A look at the book opens the gate again, after a 429 as well.
                self._gate.close(Bar.BROKER, message)
                if not pause_s:
                    self._failed(message)
            case _:
                self._breaker.succeeded(self._key)

    def ask_trial(self) -> bool:
        """Tell whether a read that begins now may close the circuit."""
        return self._breaker.ask(self._key, self._clock.monotonic_s()).allowed

    def note_read(self, *, is_trial: bool, succeeded: bool) -> None:
        """Take the end of a read, of which `ask_trial` said whether it is the trial."""
        if is_trial and succeeded:
            self._breaker.succeeded(self._key)
        elif is_trial and self._state is not BreakerState.CLOSED:
            self._breaker.failed(self._key, self._clock.monotonic_s())
        if succeeded and self._state is BreakerState.CLOSED:
            self._gate.open(Bar.BROKER)
        self._show()

    def _failed(self, message: str) -> None:
        self._breaker.failed(self._key, self._clock.monotonic_s())
        if self._state is not BreakerState.CLOSED:
            self._gate.close(Bar.BROKER, f"too many requests failed, the last: {message}")
        self._show()

    @property
    def _state(self) -> BreakerState:
        return self._breaker.state(self._key)

    def _show(self) -> None:
        CIRCUIT.set(self._state is not BreakerState.CLOSED)
