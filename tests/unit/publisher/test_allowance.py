"""A connection's messages cost at most their share of the time, after a first burst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.access.allowance import BURST_S, PAUSE_S_MAX, Allowance
from shared.clock import ManualClock

SHARE = 0.05


def test_what_fits_the_burst_waits_for_nothing() -> None:
    allowance = Allowance(SHARE, ManualClock())
    begun_s = 0.0
    for _ in range(4):
        assert allowance.spend(begun_s, begun_s + BURST_S / 5) == 0.0
        begun_s += BURST_S / 5


def test_what_exceeds_it_waits_until_it_is_earned() -> None:
    allowance = Allowance(SHARE, ManualClock())
    assert allowance.spend(0.0, BURST_S) == 0.0
    ended_s = BURST_S + 0.01
    assert allowance.spend(BURST_S, ended_s) == pytest.approx((0.01 * (1 - SHARE)) / SHARE, rel=0.2)


def test_a_message_that_costs_very_much_pauses_for_no_longer_than_the_bound() -> None:
    assert Allowance(SHARE, ManualClock()).spend(0.0, 60.0) == PAUSE_S_MAX


@given(costs=st.lists(st.floats(0.0, 0.05), min_size=1, max_size=200))
def test_over_any_time_the_share_holds(costs: list[float]) -> None:
    allowance, now_s, worked_s = Allowance(SHARE, ManualClock()), 0.0, 0.0
    for cost_s in costs:
        wait_s = allowance.spend(now_s, now_s + cost_s)
        now_s, worked_s = now_s + cost_s + wait_s, worked_s + cost_s
    assert worked_s <= BURST_S + SHARE * now_s + 1e-9
