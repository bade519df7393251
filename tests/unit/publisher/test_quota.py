"""A bucket per caller."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.access.quota import Quota


def test_burst_is_given_at_once_then_the_rate() -> None:
    quota = Quota(per_s=2.0, burst=3)
    assert [quota.take("a", 0.0) for _ in range(3)] == [0.0] * 3
    assert quota.take("a", 0.0) == 0.5
    assert quota.take("a", 0.5) == 0.0


def test_callers_do_not_spend_each_other_s_allowance() -> None:
    quota = Quota(per_s=1.0, burst=1)
    assert (quota.take("a", 0.0), quota.take("b", 0.0)) == (0.0, 0.0)


def test_callers_remembered_are_bounded() -> None:
    quota = Quota(per_s=1.0, burst=1, callers_max=2)
    for caller in "abcd":
        quota.take(caller, 0.0)
    assert len(quota) == 2


@given(st.lists(st.floats(0, 5, allow_nan=False), max_size=60))
def test_no_span_of_time_gives_more_than_burst_and_rate(waits: list[float]) -> None:
    quota, now_s, given_at = Quota(per_s=3.0, burst=5), 0.0, []
    for wait_s in waits:
        now_s += wait_s
        if quota.take("a", now_s) == 0.0:
            given_at.append(now_s)
    for first, begun_s in enumerate(given_at):
        within = len(given_at) - first
        assert within <= 5 + 3.0 * (now_s - begun_s) + 1e-6
