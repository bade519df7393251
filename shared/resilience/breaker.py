"""When to stop calling something that fails.

    CLOSED --- failures_max failures within window_s ---> OPEN
    OPEN ----- open_s passed, the next call asks -------> HALF_OPEN (that call is the trial)
    HALF_OPEN  trials_needed successes -----------------> CLOSED
    HALF_OPEN  one failure -----------------------------> OPEN

Each key has its own circuit. A trial nobody reports back on is given up after open_s, so that a
cancelled call cannot keep a circuit half open for ever. Outcomes of calls let through earlier
change nothing while the circuit is open.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Hashable
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace


class BreakerState(enum.Enum):
    """Where a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """How much failing is too much."""

    failures_max: Annotated[
        int, Meta(ge=1, le=1000, description="Failures within the window that open the circuit.")
    ] = 5
    window_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds a failure is remembered.")
    ] = 30.0
    open_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds without calls before a trial.")
    ] = 5.0
    trials_needed: Annotated[
        int, Meta(ge=1, le=100, description="Successful trials in a row that close the circuit.")
    ] = 1


class Circuit(Struct, frozen=True):
    """One key's circuit; all times are monotonic seconds."""

    state: BreakerState = BreakerState.CLOSED
    #: When each remembered failure happened, oldest first; at most `failures_max`.
    failures_at_s: tuple[float, ...] = ()
    #: When the circuit opened, or when its trial was let through.
    since_s: float = 0.0
    on_trial: bool = False
    trials_passed: int = 0


class Verdict(Struct, frozen=True):
    """Whether a call may go, else in how many seconds to ask again."""

    allowed: bool
    state: BreakerState
    retry_after_s: float = 0.0


_CLOSED = Circuit()


def ask(circuit: Circuit, policy: BreakerPolicy, now_s: float) -> tuple[Circuit, Verdict]:
    """Return whether a call may go now; in a circuit that is not closed it is the one trial."""
    if circuit.state is BreakerState.CLOSED:
        return circuit, Verdict(allowed=True, state=circuit.state)
    waiting = circuit.state is BreakerState.OPEN or circuit.on_trial
    remaining_s = policy.open_s - (now_s - circuit.since_s)
    if waiting and remaining_s > 0:
        return circuit, Verdict(allowed=False, state=circuit.state, retry_after_s=remaining_s)
    trial = replace(circuit, state=BreakerState.HALF_OPEN, since_s=now_s, on_trial=True)
    return trial, Verdict(allowed=True, state=trial.state)


def note_success(circuit: Circuit, policy: BreakerPolicy) -> Circuit:
    """Return the circuit after a call that succeeded."""
    if not circuit.on_trial:
        return circuit
    passed = circuit.trials_passed + 1
    if passed >= policy.trials_needed:
        return _CLOSED
    return replace(circuit, on_trial=False, trials_passed=passed)


def note_failure(circuit: Circuit, policy: BreakerPolicy, now_s: float) -> Circuit:
    """Return the circuit after a call that failed."""
    if circuit.state is BreakerState.OPEN:
        return circuit
    if circuit.state is BreakerState.HALF_OPEN:
        return Circuit(state=BreakerState.OPEN, since_s=now_s)
    recent = tuple(at_s for at_s in circuit.failures_at_s if now_s - at_s < policy.window_s)
    failures_at_s = (*recent, now_s)
    if len(failures_at_s) >= policy.failures_max:
        return Circuit(state=BreakerState.OPEN, since_s=now_s)
    return Circuit(failures_at_s=failures_at_s)


class Breaker:
    """Circuits by key; a key that behaves costs nothing."""

    def __init__(self, policy: BreakerPolicy, *, keys_max: int = 10_000) -> None:
        self._policy = policy
        self._keys_max = keys_max
        self._circuits: OrderedDict[Hashable, Circuit] = OrderedDict()

    def ask(self, key: Hashable, now_s: float) -> Verdict:
        """Return whether a call for `key` may go at `now_s`, in monotonic seconds."""
        circuit, verdict = ask(self._circuits.get(key, _CLOSED), self._policy, now_s)
        self._keep(key, circuit)
        return verdict

    def succeeded(self, key: Hashable) -> None:
        """Report that a call for `key` succeeded."""
        self._keep(key, note_success(self._circuits.get(key, _CLOSED), self._policy))

    def failed(self, key: Hashable, now_s: float) -> None:
        """Report that a call for `key` failed at `now_s`, in monotonic seconds."""
        self._keep(key, note_failure(self._circuits.get(key, _CLOSED), self._policy, now_s))

    def state(self, key: Hashable) -> BreakerState:
        """Return where the circuit of `key` stands."""
        return self._circuits.get(key, _CLOSED).state

    def _keep(self, key: Hashable, circuit: Circuit) -> None:
        if circuit == _CLOSED:
            self._circuits.pop(key, None)
            return
        self._circuits[key] = circuit
        self._circuits.move_to_end(key)
        if len(self._circuits) > self._keys_max:
            self._circuits.popitem(last=False)
