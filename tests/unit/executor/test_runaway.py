from __future__ import annotations

import pytest

from executor.rules.decide import decide
from executor.rules.decision import Refuse
from executor.rules.runaway import Runaway, RunawayLimits
from tests.unit.executor.builders import a_place, facts_of

LIMITS = RunawayLimits(orders_max=3, window_s=10, rejections_max=3, alike_s=2)
SECOND_US = 1_000_000


@pytest.fixture
def runaway():
    return Runaway(LIMITS)


def test_runaway_judges_orders_of_a_kind_within_its_window(runaway):
    for at_us in range(3):
        assert runaway.judge("s", "BUY NSE:INFY", at_us) is None
        runaway.note_sent("s", "BUY NSE:INFY", str(at_us), at_us)
    reason = runaway.judge("s", "BUY NSE:INFY", 3)
    assert (reason.code, reason.measured, reason.limit) == ("runaway_orders", "3", "3 in 10 s")
    assert runaway.judge("s", "SELL NSE:INFY", 3) is None
    assert runaway.judge("other", "BUY NSE:INFY", 3) is None
    assert runaway.judge("s", "BUY NSE:INFY", 10 * SECOND_US) is None


def test_runaway_holds_at_so_many_rejections_in_a_row(runaway):
    answers = [True, True, False, True, True, True]
    reasons = [runaway.note_answer("s", is_rejected=each) for each in answers]
    assert [reason and reason.code for reason in reasons] == [None] * 5 + ["runaway_rejections"]
    assert runaway.note_answer("other", is_rejected=True) is None


@pytest.mark.parametrize(
    ("passed_us", "code"), [(SECOND_US, "duplicate_in_flight"), (2 * SECOND_US, None)]
)
def test_runaway_finds_the_same_order_sent_a_moment_ago(runaway, passed_us, code):
    runaway.note_sent("s", "BUY NSE:INFY", "same", 0)
    reason = runaway.find_alike("s", "same", passed_us)
    assert (reason and reason.code) == code
    assert runaway.find_alike("other", "same", passed_us) is None
    assert runaway.find_alike("s", "another", passed_us) is None


def test_runaway_without_limits_holds_nothing():
    runaway = Runaway(RunawayLimits())
    for at_us in range(1000):
        runaway.note_sent("s", "BUY NSE:INFY", "same", at_us)
        assert runaway.note_answer("s", is_rejected=True) is None
    assert runaway.judge("s", "BUY NSE:INFY", 1000) is None
    assert runaway.find_alike("s", "same", 1000) is None


def test_runaway_forgets_what_was_not_written(runaway):
    for at_us in range(2):
        runaway.note_sent("s", "BUY NSE:INFY", str(at_us), at_us)
    runaway.note_sent("s", "BUY NSE:INFY", "same", 2)
    runaway.take_back("s", "BUY NSE:INFY", "same", 2)
    assert runaway.judge("s", "BUY NSE:INFY", 3) is None
    assert runaway.find_alike("s", "same", 3) is None


def test_placement_of_a_strategy_that_runs_away_is_refused_and_holds_it(runaway):
    for at_us in range(3):
        runaway.note_sent("s", "BUY NSE:INFY", str(at_us), at_us)
    reason = runaway.judge("s", "BUY NSE:INFY", 3)
    assert decide(facts_of(a_place(), runaway=reason)) == Refuse(reason, holds_strategy=True)


def test_runaway_holds_a_strategy_that_cancels_nearly_all_it_places():
    runaway = Runaway(RunawayLimits(cancels_max=9, window_s=10))
    for at_us in range(10):
        runaway.note_sent("mad", "BUY NSE:INFY", str(at_us), at_us)
        runaway.note_sent("calm", "BUY NSE:INFY", str(at_us), at_us)
        runaway.note_sent("calm", "SELL NSE:INFY", str(at_us), at_us)
    for at_us in range(9):
        assert runaway.judge("mad", "SELL NSE:SBIN", 10) is None
        runaway.note_cancel("mad", at_us)
        runaway.note_cancel("calm", at_us)
    reason = runaway.judge("mad", "SELL NSE:SBIN", 10)
    assert (reason.code, reason.measured, reason.limit) == ("runaway_cancels", "9", "9 in 10 s")
    assert runaway.judge("calm", "BUY NSE:INFY", 10) is None
    assert runaway.judge("mad", "SELL NSE:SBIN", 11 * SECOND_US) is None


@pytest.mark.parametrize(
    ("alike_s", "measured"), [(2, "0.000"), (0, None)], ids=["on", "off as shipped"]
)
def test_runaway_same_order_noted_at_a_later_moment_counts_only_where_that_is_wanted(
    alike_s, measured
):
    runaway = Runaway(RunawayLimits(orders_max=0, window_s=10, rejections_max=0, alike_s=alike_s))
    # Two that are on their way together are noted in any order.
    runaway.note_sent("s", "BUY NSE:INFY", "same", 4_000)
    reason = runaway.find_alike("s", "same", 0)
    assert (reason and reason.measured) == measured
