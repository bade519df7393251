"""How often a repeating event may be written."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.runtime.throttle import Throttle


def test_throttle_lets_the_first_event_through_at_once() -> None:
    assert Throttle(1, clock=ManualClock()).admit() == 0


def test_throttle_tells_the_next_line_how_many_it_held_back() -> None:
    clock = ManualClock()
    throttle = Throttle(0.5, clock=clock)
    throttle.admit("late")
    assert [throttle.admit("late") for _ in range(3)] == [None, None, None]
    clock.advance(2)
    assert throttle.admit("late") == 3
    clock.advance(2)
    assert throttle.admit("late") == 0


def test_throttle_holds_one_key_back_without_the_others() -> None:
    throttle = Throttle(1, clock=ManualClock())
    assert [throttle.admit(key) for key in ("a", "b", "a")] == [0, 0, None]


def test_throttle_with_too_many_keys_forgets_the_longest_silent() -> None:
    throttle = Throttle(1, clock=ManualClock(), keys_max=2)
    for key in ("a", "b", "c"):
        throttle.admit(key)
    assert (throttle.admit("a"), throttle.admit("c")) == (0, None)


@settings(deadline=None)
@given(st.lists(st.floats(0, 3), max_size=60))
def test_throttle_loses_no_count(gaps_s: list[float]) -> None:
    clock = ManualClock()
    throttle = Throttle(1, clock=clock)
    told = 0
    for gap_s in gaps_s:
        clock.advance(gap_s)
        suppressed = throttle.admit()
        told += 0 if suppressed is None else suppressed + 1
    clock.advance(10)
    assert told + (throttle.admit() or 0) == len(gaps_s)
