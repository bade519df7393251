from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FrameError
from shared.kite.codec import scan
from shared.kite.codec.scan import FRAME_REASONS, Scratch, check_frame, scan_frame
from tests.support.kite_frames import frame, ltp
from tests.support.kite_strategies import frames

TWO = frame([ltp(256265, 2_500_000), ltp(408065, 157_370)])


def damage(payload: bytes) -> tuple[str, int]:
    with pytest.raises(FrameError) as caught:
        check_frame(payload)
    return caught.value.reason, caught.value.offset


def count_or_damage(payload: bytes) -> tuple[int, FrameError | None]:
    try:
        return check_frame(payload), None
    except FrameError as error:
        return -1, error


def test_scan_of_two_packets_gives_offsets_lengths_and_tokens() -> None:
    columns = Scratch(8)
    assert columns.scan(TWO) == 2
    assert columns.offsets[:2].tolist() == [4, 14]
    assert columns.lengths[:2].tolist() == [8, 8]
    assert columns.tokens[:2].tolist() == [256265, 408065]


def test_scan_of_heartbeat_is_a_whole_frame_without_packets() -> None:
    assert check_frame(b"\0") == 0
    assert check_frame(b"\xff") == 0


def test_scan_of_no_bytes_says_so() -> None:
    assert damage(b"") == (FRAME_REASONS[scan.EMPTY], 0)


def test_scan_of_zero_packets_is_whole() -> None:
    assert check_frame(b"\0\0") == 0


@pytest.mark.parametrize("cut", [2, 3, 12, 13])
def test_scan_cut_before_a_length_names_the_place(cut: int) -> None:
    reason, offset = damage(TWO[:cut])
    assert reason == FRAME_REASONS[scan.TRUNCATED_LENGTH]
    assert offset == (2 if cut < 4 else 12)


@pytest.mark.parametrize("cut", [4, 5, 11, 14, 21])
def test_scan_cut_inside_a_packet_names_the_place(cut: int) -> None:
    reason, offset = damage(TWO[:cut])
    assert reason == FRAME_REASONS[scan.TRUNCATED_PACKET]
    assert offset == (2 if cut < 12 else 12)


def test_scan_with_bytes_after_the_last_packet_names_the_place() -> None:
    assert damage(TWO + b"\0") == (FRAME_REASONS[scan.TRAILING_BYTES], len(TWO))


def test_scan_of_more_packets_than_columns_writes_nothing() -> None:
    columns = Scratch(1)
    with pytest.raises(FrameError, match="more packets than"):
        columns.scan(TWO)
    assert columns.offsets[0] == 0


def test_scan_of_a_packet_too_short_for_a_token_gives_token_zero() -> None:
    columns = Scratch(2)
    columns.tokens[:] = 9
    assert columns.scan(frame([b"\1\2\3", b""])) == 2
    assert columns.tokens.tolist() == [0, 0]
    assert columns.lengths.tolist() == [3, 0]


def test_scan_of_unknown_length_keeps_the_packet() -> None:
    columns = Scratch(1)
    assert columns.scan(frame([bytes(99)])) == 1
    assert columns.lengths[0] == 99


def test_scan_of_damage_reports_the_packets_before_it() -> None:
    columns = Scratch(4)
    buffer = np.frombuffer(TWO[:-1], dtype=np.uint8)
    found = scan_frame(buffer, 0, buffer.size, columns.offsets, columns.lengths, columns.tokens)
    assert found == (1, scan.TRUNCATED_PACKET, 12)
    assert columns.tokens[0] == 256265


@pytest.mark.slow
@given(frames, st.binary(max_size=20), st.binary(max_size=20))
@settings(max_examples=100, deadline=None)
def test_scan_inside_a_larger_buffer_reads_only_its_part(
    payload: bytes, before: bytes, after: bytes
) -> None:
    alone, within = Scratch(64), Scratch(64)
    count = alone.scan(payload)
    buffer = np.frombuffer(before + payload + after, dtype=np.uint8)
    end = len(before) + len(payload)
    found = scan_frame(buffer, len(before), end, within.offsets, within.lengths, within.tokens)
    assert found == (count, scan.WHOLE, end if len(payload) > 1 else len(before))
    assert (within.offsets[:count] - len(before) == alone.offsets[:count]).all()
    assert (within.tokens == alone.tokens).all()


@pytest.mark.slow
@given(st.binary(max_size=600))
@settings(max_examples=500, deadline=None)
def test_scan_of_any_bytes_counts_or_gives_a_reason_of_the_closed_set(payload: bytes) -> None:
    count, damage_found = count_or_damage(payload)
    if damage_found is None:
        assert count == (int.from_bytes(payload[:2], "big") if len(payload) > 1 else 0)
    else:
        assert damage_found.reason in FRAME_REASONS[1:]
        assert 0 <= damage_found.offset <= len(payload)
