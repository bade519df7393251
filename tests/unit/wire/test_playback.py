"""Tapes cut into slices: nothing lost, nothing twice, in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire.playback import Cut, Pace, merged, slices
from shared.wire.segments import iterate, segment
from tests.support.tapes import HEADER, block_of

FRAME = b"\0\1\0\4abcd"
times = st.lists(st.integers(1, 10_000), min_size=1, max_size=30)
cuts = st.builds(Cut, bytes_max=st.integers(1, 200), span_ns_max=st.integers(0, 500))


def segments_at(at_ns: list[int]) -> bytes:
    return b"".join(segment(each, FRAME) for each in at_ns)


@given(times, cuts)
def test_slices_end_to_end_are_the_block(at_ns: list[int], cut: Cut) -> None:
    raw = segments_at(at_ns)
    pieces = list(slices(HEADER, block_of(raw), cut))
    assert b"".join(piece.segments for piece in pieces) == raw
    assert sum(piece.packets for piece in pieces) == len(at_ns)
    for piece in pieces:
        within = [each for each, _ in iterate(piece.segments)]
        assert (piece.first_ns, piece.last_ns) == (min(within), max(within))
        assert len(within) == 1 or len(piece.segments) <= cut.bytes_max
        assert not cut.span_ns_max or max(within) - min(within[0], *within) <= 10_000


@given(times, st.integers(1, 500))
def test_slices_of_times_in_order_span_no_more_than_told(at_ns: list[int], span_ns: int) -> None:
    raw = segments_at(sorted(at_ns))
    for piece in slices(HEADER, block_of(raw), Cut(span_ns_max=span_ns)):
        assert piece.last_ns - piece.first_ns <= span_ns


@given(times, st.integers(0, 10_001), st.integers(1, 200))
def test_slices_from_a_time_leave_out_exactly_what_was_before(
    at_ns: list[int], from_ns: int, bytes_max: int
) -> None:
    cut = Cut(bytes_max=bytes_max, from_ns=from_ns)
    pieces = slices(HEADER, block_of(segments_at(at_ns)), cut)
    wanted = segments_at([each for each in at_ns if each >= from_ns])
    assert b"".join(piece.segments for piece in pieces) == wanted


@given(st.lists(times, max_size=4))
def test_merged_tapes_go_by_time_and_keep_each_ones_order(tapes: list[list[int]]) -> None:
    made = [
        list(
            slices(
                HEADER._replace(shard=shard),
                block_of(segments_at(sorted(at_ns))),
                Cut(bytes_max=1),
            )
        )
        for shard, at_ns in enumerate(tapes)
    ]
    every = list(merged(made))
    assert [piece.first_ns for piece in every] == sorted(piece.first_ns for piece in every)
    for shard, pieces in enumerate(made):
        assert [piece for piece in every if piece.shard == shard] == pieces


@pytest.mark.parametrize(("speed", "due_s"), [(1.0, 102.0), (4.0, 100.5), (0.5, 104.0)])
def test_pace_stretches_the_time_of_the_tape(speed: float, due_s: float) -> None:
    pace = Pace(speed, 100.0)
    assert pace.due_s(7_000_000_000) == 100.0
    assert pace.due_s(9_000_000_000) == due_s


def test_pace_without_a_speed_never_waits() -> None:
    pace = Pace(None, 100.0)
    assert [pace.due_s(at_ns) for at_ns in (1, 10**15)] == [100.0, 100.0]
