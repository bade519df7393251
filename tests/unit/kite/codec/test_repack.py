"""Decoded ticks, made packets again."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kite.codec.decode import decode_frame
from shared.kite.codec.repack import repack
from tests.support import kite_frames as kf

U32 = st.integers(0, 2**31 - 1)
LEVEL = st.tuples(st.integers(1, 2**31 - 1), U32, st.integers(0, 2**16 - 1))
SEGMENTS = st.sampled_from([1, 2, 3, 6, 7, 12])


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    token = draw(st.integers(1, 2**23)) << 8 | draw(SEGMENTS)
    head = kf.quote(token, *draw(st.tuples(*[U32] * 10)))
    index = token & ~0xFF | 9
    last, high, low, open_, close = draw(st.tuples(*[U32] * 5))
    return draw(
        st.sampled_from(
            [
                head[:8],
                head,
                kf.full(
                    head,
                    draw(st.tuples(*[U32] * 5)),
                    draw(st.lists(LEVEL, max_size=5)),
                    draw(st.lists(LEVEL, max_size=5)),
                ),
                kf.index_quote(index, last, high, low, open_, close, last - close),
                kf.index_full(index, last, high, low, open_, close, last - close, draw(U32)),
            ]
        )
    )


@pytest.mark.slow
@given(st.lists(packets(), max_size=5))
def test_a_record_becomes_the_packet_it_was_read_from(sent: list[bytes]) -> None:
    made = repack(decode_frame(kf.frame(sent)))
    bodies = [
        body[:length].tobytes()
        for body, length in zip(made.bodies, made.lengths.tolist(), strict=True)
    ]
    assert bodies == sent
    assert made.tokens.tolist() == [struct.unpack_from(">I", packet)[0] for packet in sent]


def test_missing_and_impossible_prices_become_zero_not_garbage() -> None:
    record = decode_frame(kf.frame([kf.quote(408065, *range(10))])).copy()
    record["open"], record["high"], record["low"] = np.nan, np.inf, -5.0
    assert np.frombuffer(repack(record).bodies[0], ">u4")[7:10].tolist() == [0, 0, 0]


def test_a_record_of_no_mode_has_no_packet() -> None:
    record = decode_frame(kf.frame([kf.ltp(408065, 5)])).copy()
    record["mode"] = 0
    assert repack(record).lengths.tolist() == [0]


@pytest.mark.parametrize("count", [0, 1])
def test_any_number_of_records_is_fine(count: int) -> None:
    assert len(repack(decode_frame(kf.frame([kf.ltp(408065, 5)] * count))).bodies) == count
