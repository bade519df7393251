"""Hypothesis strategies for Kite frames of every kind and segment."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support import kite_frames as build

SEGMENTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 200, 255)

u32 = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2**31, 2**32 - 1])
tokens = st.builds(
    lambda exchange_token, segment: exchange_token * 256 + segment,
    st.integers(0, 2**24 - 1),
    st.sampled_from(SEGMENTS),
)
levels = st.tuples(u32, u32, st.integers(0, 2**16 - 1)) | st.just((0, 0, 0))
signed = st.integers(-(2**31), 2**31 - 1)

ltp_packets = st.builds(build.ltp, tokens, u32)
index_quote_packets = st.builds(build.index_quote, tokens, u32, u32, u32, u32, u32, signed)
index_full_packets = st.builds(build.index_full, tokens, u32, u32, u32, u32, u32, signed, u32)
quote_packets = st.builds(build.quote, tokens, *[u32] * 10)
full_packets = st.builds(
    build.full,
    quote_packets,
    st.tuples(u32, u32, u32, u32, u32),
    st.lists(levels, max_size=5),
    st.lists(levels, max_size=5),
)
packets = st.one_of(
    ltp_packets, index_quote_packets, index_full_packets, quote_packets, full_packets
)
odd_packets = st.binary(min_size=4, max_size=200).filter(
    lambda body: len(body) not in (8, 28, 32, 44, 184)
)
frames = st.lists(packets, max_size=12).map(build.frame)
