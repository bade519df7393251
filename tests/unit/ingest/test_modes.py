from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.modes import Granted, Want, granted
from shared.wire.ticks import Mode

WANTS = st.lists(
    st.builds(
        Want,
        token=st.integers(1, 9),
        mode=st.sampled_from(Mode),
        priority=st.integers(0, 100),
        source=st.sampled_from(["settings", "desk"]),
    )
)


def want(mode: Mode, priority: int = 50, token: int = 1) -> Want:
    return Want(token, mode, priority, "test")


@given(WANTS)
def test_mode_is_the_cheapest_that_satisfies_every_request(wants: list[Want]) -> None:
    found = granted(wants, {}, now_s=0.0, dwell_s=60.0)
    assert found.keys() == {each.token for each in wants}
    for token, each in found.items():
        assert each.mode == max(want.mode for want in wants if want.token == token)


@given(WANTS)
def test_more_important_instruments_come_first(wants: list[Want]) -> None:
    highest = [
        max(want.priority for want in wants if want.token == token)
        for token in granted(wants, {}, now_s=0.0, dwell_s=60.0)
    ]
    assert highest == sorted(highest, reverse=True)


def test_richer_mode_is_granted_at_once() -> None:
    before = {1: Granted(Mode.LTP)}
    assert granted([want(Mode.FULL)], before, now_s=1.0, dwell_s=60.0) == {1: Granted(Mode.FULL)}


def test_cheaper_mode_is_granted_after_its_dwell() -> None:
    wants = [want(Mode.LTP)]
    first = granted(wants, {1: Granted(Mode.FULL)}, now_s=10.0, dwell_s=60.0)
    assert first == {1: Granted(Mode.FULL, 10.0)}
    assert granted(wants, first, now_s=69.0, dwell_s=60.0) == first
    assert granted(wants, first, now_s=70.0, dwell_s=60.0) == {1: Granted(Mode.LTP)}


def test_request_that_comes_back_within_the_dwell_changes_nothing() -> None:
    before = {1: Granted(Mode.FULL, 10.0)}
    assert granted([want(Mode.FULL)], before, now_s=20.0, dwell_s=60.0) == {1: Granted(Mode.FULL)}
