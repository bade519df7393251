from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.resilience.remote_clock import REMEMBERED_NS, SECOND_NS, note

NOW = 1_800_000_000 * SECOND_NS


@given(
    offset_ns=st.integers(-5 * SECOND_NS, 5 * SECOND_NS),
    asks=st.lists(
        st.tuples(st.integers(0, 100 * SECOND_NS), st.integers(0, SECOND_NS // 4)), min_size=1
    ),
)
def test_offset_is_always_within_what_is_said_of_it(offset_ns, asks):
    known = None
    for at_ns, travel_ns in sorted(asks):
        began_ns, ended_ns = NOW + at_ns, NOW + at_ns + 2 * travel_ns
        stated = (began_ns + travel_ns + offset_ns) // SECOND_NS
        known = note(known, stated, began_ns=began_ns, ended_ns=ended_ns)
        assert known.low_ns <= offset_ns <= known.high_ns
        assert known.certain_ns <= abs(offset_ns)


def test_statements_at_different_fractions_narrow_it_down():
    known = None
    for step in range(20):
        began_ns = NOW + step * 1_050_000_000
        stated = (began_ns + 3 * SECOND_NS + 10**6) // SECOND_NS
        known = note(known, stated, began_ns=began_ns, ended_ns=began_ns + 2 * 10**6)
    assert known.high_ns - known.low_ns < 0.06 * SECOND_NS
    assert abs(known.middle_ns - 3 * SECOND_NS) < 0.06 * SECOND_NS


def test_clock_that_was_set_is_learnt_anew():
    known = note(None, NOW // SECOND_NS, began_ns=NOW, ended_ns=NOW)
    known = note(known, NOW // SECOND_NS + 61, began_ns=NOW + SECOND_NS, ended_ns=NOW + SECOND_NS)
    assert known.certain_ns == 60 * SECOND_NS


def test_old_statements_are_forgotten():
    known = note(None, NOW // SECOND_NS, began_ns=NOW, ended_ns=NOW)
    later = NOW + REMEMBERED_NS
    known = note(known, later // SECOND_NS, began_ns=later, ended_ns=later)
    assert known.since_ns == later
