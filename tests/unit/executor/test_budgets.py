from __future__ import annotations

from executor.broker.pace import ORDER_REQUESTS, windows
from executor.rules.budgets import HELD_S, Budgets
from executor.settings import BehaviourSettings

#: The first moment of a minute.
MINUTE_S = 1_780_000_020.0
BEHAVIOUR = BehaviourSettings(
    orders_per_second_max=10,
    cancels_per_second_reserved=2,
    orders_per_minute_max=100,
    cancels_per_minute_reserved=20,
)


def budgets():
    return Budgets(windows(BEHAVIOUR)[ORDER_REQUESTS])


def test_budgets_that_nobody_asked_are_unused():
    assert [budgets().used_ratio(name, MINUTE_S) for name in budgets().names] == [0, 0]


def test_budget_is_used_by_what_is_not_left_the_reserve_included():
    entries = budgets()
    entries.note((3, 60), reserve=False, at_s=MINUTE_S)
    assert entries.used_ratio("second", MINUTE_S) == 0.5
    assert entries.used_ratio("minute", MINUTE_S) == 0.2
    cancels = budgets()
    cancels.note((0, 0), reserve=True, at_s=MINUTE_S)
    assert cancels.used_ratio("second", MINUTE_S) == 1
    assert cancels.used_ratio("minute", MINUTE_S) == 1


def test_fullest_second_is_told_until_every_scrape_has_seen_it_then_forgotten():
    told = budgets()
    told.note((1, 70), reserve=False, at_s=MINUTE_S + 1)
    told.note((7, 69), reserve=False, at_s=MINUTE_S + 2)
    assert told.used_ratio("second", MINUTE_S + 2) == 0.7
    assert told.used_ratio("second", MINUTE_S + 1 + HELD_S) == 0.7
    assert told.used_ratio("second", MINUTE_S + 2 + HELD_S) == 0.1
    assert told.used_ratio("second", MINUTE_S + 3 + HELD_S) == 0


def test_minute_that_ended_is_told_for_as_long():
    told = budgets()
    told.note((5, 8), reserve=False, at_s=MINUTE_S + 30)
    assert told.used_ratio("minute", MINUTE_S + 59 + HELD_S) == 0.72
    assert told.used_ratio("minute", MINUTE_S + 60 + HELD_S) == 0


def test_answers_that_come_out_of_turn_leave_the_fuller_one():
    told = budgets()
    told.note((1, 60), reserve=False, at_s=MINUTE_S)
    told.note((4, 63), reserve=False, at_s=MINUTE_S)
    assert told.used_ratio("second", MINUTE_S) == 0.7
