from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kite.codec import entry as entries
from shared.kite.codec.entry import Columns
from shared.wire.segments import segment
from tests.support.kite_frames import frame, ltp
from tests.support.kite_strategies import frames

ONE = segment(7, frame([ltp(11, 1)]))
TWO = segment(2**63 + 8, frame([ltp(12, 1), ltp(13, 1)]))


def test_entry_of_two_segments_gives_packets_with_their_receive_times() -> None:
    columns = Columns(8)
    assert columns.scan(ONE + TWO) == (3, 0, entries.COMPLETE, len(ONE + TWO))
    assert columns.tokens[:3].tolist() == [11, 12, 13]
    assert columns.received_at_ns[:3].tolist() == [7, 2**63 + 8, 2**63 + 8]
    assert columns.offsets[:3].tolist() == [16, len(ONE) + 16, len(ONE) + 26]


def test_entry_without_bytes_is_complete() -> None:
    assert Columns(1).scan(b"") == (0, 0, entries.COMPLETE, 0)


def test_entry_with_damaged_frame_counts_it_and_goes_on() -> None:
    columns = Columns(8)
    damaged = segment(1, frame([ltp(11, 1)])[:-1])
    assert columns.scan(damaged + ONE)[:3] == (1, 1, entries.COMPLETE)
    assert columns.tokens[0] == 11


def test_entry_cut_anywhere_in_its_last_segment_keeps_what_lies_before() -> None:
    for cut in range(len(ONE) + 1, len(ONE + TWO)):
        assert Columns(8).scan((ONE + TWO)[:cut]) == (1, 0, entries.BROKEN, len(ONE))


def test_entry_larger_than_the_columns_is_scanned_in_parts() -> None:
    columns = Columns(2)
    first = columns.scan(ONE + TWO)
    assert first == (1, 0, entries.FULL_COLUMNS, len(ONE))
    assert columns.scan(ONE + TWO, first.position)[:3] == (2, 0, entries.COMPLETE)


def test_entry_with_frame_larger_than_all_columns_calls_it_damaged() -> None:
    assert Columns(1).scan(TWO + ONE)[:3] == (1, 1, entries.COMPLETE)


@pytest.mark.slow
@given(st.lists(frames, max_size=6))
@settings(max_examples=100, deadline=None)
def test_entry_of_any_frames_finds_every_packet(payloads: list[bytes]) -> None:
    whole = b"".join(segment(1, payload) for payload in payloads)
    found = Columns(128).scan(whole)
    wanted = sum(int.from_bytes(payload[:2], "big") for payload in payloads)
    assert found == (wanted, 0, entries.COMPLETE, len(whole))


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_entry_of_any_bytes_ends_in_one_of_three_ways(payload: bytes) -> None:
    found = Columns(64).scan(payload)
    assert found.end in (entries.COMPLETE, entries.BROKEN, entries.FULL_COLUMNS)
    assert 0 <= found.position <= len(payload)
