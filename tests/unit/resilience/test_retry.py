"""How long to wait before trying again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.resilience.retry import RetryPolicy

policies = st.builds(
    RetryPolicy,
    base_s=st.floats(0.001, 100),
    factor=st.floats(1, 10),
    ceiling_s=st.floats(0.001, 100),
    jitter=st.floats(0, 1),
)
chances = st.floats(0, 1)
attempts = st.integers(1, 5000)


def test_delay_without_jitter_grows_by_the_factor_up_to_the_ceiling() -> None:
    policy = RetryPolicy(base_s=1, factor=2, ceiling_s=5, jitter=0)
    assert [policy.delay_s(attempt, 0.7) for attempt in (1, 2, 3, 4, 5)] == [1, 2, 4, 5, 5]


def test_delay_with_full_jitter_can_vanish() -> None:
    assert RetryPolicy(jitter=1).delay_s(3, 1.0) == 0


def test_delay_after_days_of_trying_is_the_ceiling() -> None:
    assert RetryPolicy(factor=10, ceiling_s=7, jitter=0).delay_s(100_000, 0) == 7


@settings(deadline=None)
@given(policies, attempts, chances)
def test_delay_lies_between_its_share_of_chance_and_the_ceiling(
    policy: RetryPolicy, attempt: int, chance: float
) -> None:
    longest_s = policy.delay_s(attempt, 0)
    delay_s = policy.delay_s(attempt, chance)
    assert longest_s <= policy.ceiling_s
    assert longest_s * (1 - policy.jitter) - 1e-9 <= delay_s <= longest_s


@settings(deadline=None)
@given(policies, attempts, chances)
def test_delay_of_a_later_attempt_is_never_shorter_for_the_same_chance(
    policy: RetryPolicy, attempt: int, chance: float
) -> None:
    assert policy.delay_s(attempt + 1, chance) >= policy.delay_s(attempt, chance)


def test_next_delay_after_the_last_attempt_gives_up() -> None:
    policy = RetryPolicy(attempts_max=3)
    assert policy.next_delay_s(2, 0, 0) is not None
    assert policy.next_delay_s(3, 0, 0) is None


def test_next_delay_that_would_pass_the_deadline_gives_up() -> None:
    policy = RetryPolicy(base_s=1, jitter=0, deadline_s=10)
    assert policy.next_delay_s(1, 8.9, 0) == 1
    assert policy.next_delay_s(1, 9.0, 0) is None


@settings(deadline=None)
@given(policies, st.floats(0.1, 50), chances)
def test_attempts_of_a_policy_with_a_deadline_all_begin_before_it(
    policy: RetryPolicy, deadline_s: float, chance: float
) -> None:
    policy = msgspec.structs.replace(policy, deadline_s=deadline_s)
    elapsed_s = 0.0
    for attempt in range(1, 200):
        delay_s = policy.next_delay_s(attempt, elapsed_s, chance)
        if delay_s is None:
            return
        elapsed_s += delay_s
        assert elapsed_s < deadline_s


@pytest.mark.parametrize("wrong", [{"base_s": 0}, {"jitter": 1.5}, {"attempts_max": 0}])
def test_policy_from_a_file_out_of_bounds_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, RetryPolicy)
