from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.wire.segments import FRAME_BYTES_MAX, SEGMENT_HEADER, iterate, segment

FRAMES = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=300)), max_size=8)


@given(FRAMES)
def test_segments_laid_end_to_end_come_back_as_they_were(frames: list[tuple[int, bytes]]) -> None:
    entry = b"".join(segment(at_ns, frame) for at_ns, frame in frames)
    assert [(at_ns, bytes(frame)) for at_ns, frame in iterate(entry)] == frames


@given(st.binary(max_size=200))
def test_any_bytes_are_segments_or_a_message_error(body: bytes) -> None:
    try:
        read = sum(12 + len(frame) for _, frame in iterate(body))
    except MessageError:
        return
    assert read == len(body)


def test_segment_cut_short_names_the_byte_where_it_ends() -> None:
    entry = segment(1, b"abc") + segment(2, b"def")[:-1]
    with pytest.raises(MessageError, match="segment at byte 27: length 3, 2 left"):
        list(iterate(entry))


def test_segment_longer_than_any_frame_is_refused_before_it_is_read() -> None:
    body = SEGMENT_HEADER.pack(1, FRAME_BYTES_MAX + 1) + bytes(FRAME_BYTES_MAX + 1)
    with pytest.raises(MessageError, match="length"):
        list(iterate(body))
