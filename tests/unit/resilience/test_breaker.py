"""When to stop calling something that fails."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.resilience.breaker import Breaker, BreakerPolicy, BreakerState

POLICY = BreakerPolicy(failures_max=3, window_s=10, open_s=5, trials_needed=2)


def opened(policy: BreakerPolicy = POLICY, at_s: float = 0.0) -> Breaker:
    breaker = Breaker(policy)
    for _ in range(policy.failures_max):
        breaker.failed("kite", at_s)
    return breaker


def test_breaker_below_its_failures_lets_calls_through() -> None:
    breaker = Breaker(POLICY)
    breaker.failed("kite", 0)
    breaker.failed("kite", 1)
    assert breaker.ask("kite", 2).allowed


def test_breaker_at_its_failures_opens_and_says_for_how_long() -> None:
    verdict = opened().ask("kite", 2)
    assert (verdict.allowed, verdict.state, verdict.retry_after_s) == (False, BreakerState.OPEN, 3)


def test_breaker_with_failures_spread_over_more_than_the_window_stays_closed() -> None:
    breaker = Breaker(POLICY)
    for at_s in (0, 6, 11, 17, 22):
        breaker.failed("kite", at_s)
    assert breaker.state("kite") is BreakerState.CLOSED


def test_breaker_with_successes_between_failures_still_counts_the_failures() -> None:
    breaker = Breaker(POLICY)
    for at_s in (0, 1, 2):
        breaker.failed("kite", at_s)
        breaker.succeeded("kite")
    assert breaker.state("kite") is BreakerState.OPEN


def test_breaker_after_its_pause_lets_one_trial_through_at_a_time() -> None:
    breaker = opened()
    assert breaker.ask("kite", 5).allowed
    second = breaker.ask("kite", 6)
    assert (second.allowed, second.state) == (False, BreakerState.HALF_OPEN)


def test_breaker_after_enough_successful_trials_closes_and_forgets() -> None:
    breaker = opened()
    for at_s in (5, 6):
        assert breaker.ask("kite", at_s).allowed
        breaker.succeeded("kite")
    assert breaker.state("kite") is BreakerState.CLOSED
    breaker.failed("kite", 7)
    assert breaker.ask("kite", 7).allowed


def test_breaker_whose_trial_fails_opens_for_another_pause() -> None:
    breaker = opened()
    breaker.ask("kite", 5)
    breaker.failed("kite", 6)
    assert not breaker.ask("kite", 10.9).allowed
    assert breaker.ask("kite", 11).allowed


def test_breaker_whose_trial_never_reports_tries_again() -> None:
    breaker = opened()
    assert breaker.ask("kite", 5).allowed
    assert not breaker.ask("kite", 9.9).allowed
    assert breaker.ask("kite", 10).allowed


def test_breaker_open_ignores_outcomes_of_earlier_calls() -> None:
    breaker = opened()
    breaker.succeeded("kite")
    breaker.failed("kite", 4)
    assert breaker.state("kite") is BreakerState.OPEN
    assert breaker.ask("kite", 5).allowed


def test_breaker_half_open_ignores_a_late_success_that_is_no_trial() -> None:
    breaker = opened()
    breaker.ask("kite", 5)
    breaker.succeeded("kite")
    breaker.succeeded("kite")
    assert breaker.state("kite") is BreakerState.HALF_OPEN


def test_breaker_of_one_key_says_nothing_about_another() -> None:
    assert opened().ask("other", 1).allowed


def test_breaker_with_too_many_keys_forgets_the_one_longest_untouched() -> None:
    breaker = Breaker(BreakerPolicy(failures_max=1), keys_max=2)
    for key in ("a", "b", "c"):
        breaker.failed(key, 0)
    states = [breaker.state(key) for key in ("a", "b", "c")]
    assert states == [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.OPEN]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50))
def test_breaker_remembers_no_more_failures_than_its_limit(gaps_s: list[float]) -> None:
    breaker, now_s = Breaker(POLICY), 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        breaker.failed("kite", now_s)
        assert len(breaker._circuits["kite"].failures_at_s) < POLICY.failures_max


def test_breaker_never_asks_for_a_longer_wait_than_its_pause() -> None:
    since_s = 11.066961830004585  # since_s + open_s - since_s is more than open_s in floats
    breaker = opened(at_s=since_s)
    assert breaker.ask("kite", since_s).retry_after_s == POLICY.open_s


class BreakerMachine(RuleBasedStateMachine):
    """Any interleaving of asking and reporting, against what a breaker promises."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now_s = 0.0
        self.opened_at_s: float | None = None

    @rule(gap_s=st.floats(0.001, 20))
    def wait(self, gap_s: float) -> None:
        self.now_s += gap_s

    @rule()
    def ask(self) -> None:
        before = self.breaker.state("k")
        verdict = self.breaker.ask("k", self.now_s)
        assert verdict.state is self.breaker.state("k")
        assert verdict.allowed == (verdict.retry_after_s == 0)
        assert verdict.retry_after_s <= POLICY.open_s
        if before is BreakerState.CLOSED:
            assert verdict.allowed
        if before is BreakerState.OPEN and verdict.allowed:
            assert self.opened_at_s is not None
            assert self.now_s - self.opened_at_s >= POLICY.open_s - 1e-6

    @rule()
    def fail(self) -> None:
        before = self.breaker.state("k")
        self.breaker.failed("k", self.now_s)
        after = self.breaker.state("k")
        if after is BreakerState.OPEN and before is not BreakerState.OPEN:
            self.opened_at_s = self.now_s
        if before is BreakerState.HALF_OPEN:
            assert after is BreakerState.OPEN

    @rule()
    def succeed(self) -> None:
        before = self.breaker.state("k")
        self.breaker.succeeded("k")
        if before is not BreakerState.HALF_OPEN:
            assert self.breaker.state("k") is before

    @invariant()
    def a_closed_circuit_without_failures_is_not_kept(self) -> None:
        assert len(self.breaker._circuits) <= 1


BreakerMachine.TestCase.settings = settings(max_examples=50, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
