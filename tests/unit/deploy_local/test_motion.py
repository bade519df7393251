"""A figure that froze is noticed."""

from __future__ import annotations

from deploy.local.motion import Motion

SECOND_NS = 1_000_000_000


def test_a_figure_that_changes_never_stood_still() -> None:
    motion = Motion()
    for second in range(20):
        motion.see("price", second, second * SECOND_NS)
    assert motion.stood_still(3) == []


def test_a_figure_that_froze_for_a_while_is_named_although_it_moved_again() -> None:
    motion = Motion()
    for second, value in enumerate([1, 2, 2, 2, 2, 2, 3, 4]):
        motion.see("the price", value, second * SECOND_NS)
    assert motion.stood_still(3) == ["the price showed the same for 4 s while ticks flowed"]


def test_numbers_that_are_not_there_count_as_the_same() -> None:
    motion = Motion()
    for second in range(6):
        motion.see("vols", repr([float("nan")]), second * SECOND_NS)
    assert len(motion.stood_still(3)) == 1
