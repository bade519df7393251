from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import FrameError
from shared.kite.codec import packets
from shared.kite.codec.decode import blank_ticks, decode_frame, decode_packet
from shared.wire.ticks import TICK_DTYPE, Mode
from tests.support import kite_frames as build
from tests.support.kite_strategies import frames

NAMES = TICK_DTYPE.names or ()
FACTS = (*NAMES[NAMES.index("instrument_token") : NAMES.index("shard")], "mode")
NOT_FACTS = tuple(name for name in NAMES if name not in FACTS or name == "underlying_token")
HEAD = build.quote(
    408065, 157370, 7, 157037, 1192471, 256443, 363009, 156915, 157500, 156105, 156780
)
FULL = build.full(HEAD, (1625461887, 3, 4, 2, 1625461888), [(5, 157340, 1)], [(172, 157370, 3)])
KINDS = {
    packets.KIND_LTP: build.ltp(408065, 157370),
    packets.KIND_INDEX_QUOTE: build.index_quote(256265, 100, 90, 80, 85, 99, -1),
    packets.KIND_INDEX_FULL: build.index_full(256265, 100, 90, 80, 85, 99, -1, 1625461887),
    packets.KIND_QUOTE: HEAD,
    packets.KIND_FULL: FULL,
}


def decode_over(packet: bytes, fill: int) -> tuple[int, np.void]:
    """Decode into a row whose every byte was `fill` before."""
    records = np.frombuffer(bytearray([fill]) * TICK_DTYPE.itemsize, dtype=TICK_DTYPE)
    kind = decode_packet(np.frombuffer(packet, np.uint8), 0, len(packet), records, 0)
    return kind, records[0]


@pytest.mark.parametrize("kind", KINDS)
def test_decode_packet_of_every_length_returns_its_kind(kind: int) -> None:
    assert decode_over(KINDS[kind], 0)[0] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_decode_packet_over_old_bytes_leaves_no_fact_of_theirs(kind: int) -> None:
    _, over_ones = decode_over(KINDS[kind], 0xFF)
    _, over_zeros = decode_over(KINDS[kind], 0)
    for name in FACTS:
        if name != "underlying_token":
            np.testing.assert_array_equal(over_ones[name], over_zeros[name], err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_decode_packet_leaves_what_is_not_kites_alone(kind: int) -> None:
    _, row = decode_over(KINDS[kind], 0x5A)
    untouched = np.frombuffer(bytes([0x5A]) * TICK_DTYPE.itemsize, dtype=TICK_DTYPE)[0]
    for name in NOT_FACTS:
        assert row[name].tobytes() == untouched[name].tobytes(), name


@pytest.mark.parametrize("length", [0, 3, 4, 7, 9, 27, 29, 31, 33, 43, 45, 183, 185, 1000])
def test_decode_packet_of_unknown_length_writes_nothing(length: int) -> None:
    kind, row = decode_over(bytes([1]) * length or b"\0", 0x5A)
    assert kind == packets.KIND_UNKNOWN
    assert row.tobytes() == bytes([0x5A]) * TICK_DTYPE.itemsize


def test_decode_packet_of_index_reads_high_low_open_close() -> None:
    _, row = decode_over(KINDS[packets.KIND_INDEX_QUOTE], 0)
    assert [row[name] for name in ("high", "low", "open", "close")] == [0.9, 0.8, 0.85, 0.99]


def test_decode_packet_of_tradable_reads_open_high_low_close() -> None:
    _, row = decode_over(HEAD, 0)
    prices = [row[name] for name in ("open", "high", "low", "close")]
    assert prices == [1569.15, 1575.0, 1561.05, 1567.8]


@pytest.mark.parametrize(
    ("segment", "divisor"), [(1, 100), (2, 100), (3, 10**7), (6, 10**4), (9, 100), (12, 10**4)]
)
def test_decode_packet_divides_by_the_segments_divisor(segment: int, divisor: int) -> None:
    _, row = decode_over(build.ltp(7 * 256 + segment, 839_575_001), 0)
    assert row["last_price"] == 839_575_001 / divisor


def test_decode_packet_of_missing_level_has_no_price() -> None:
    _, row = decode_over(FULL, 0)
    assert row["bid_price"][0] == 1573.4
    assert np.isnan(row["bid_price"][1:]).all()
    assert np.isnan(row["ask_price"][1:]).all()
    assert row["ask_orders"].tolist() == [3, 0, 0, 0, 0]


def test_decode_packet_of_level_with_price_zero_but_quantity_keeps_the_price() -> None:
    packet = build.full(HEAD, (0, 0, 0, 0, 0), [(5, 0, 1)], [])
    assert decode_over(packet, 0)[1]["bid_price"][0] == 0.0


def test_decode_frame_stamps_every_row_and_blanks_the_rest() -> None:
    ticks = decode_frame(build.frame([KINDS[packets.KIND_LTP], FULL]), received_at_ns=77)
    assert ticks["received_at_ns"].tolist() == [77, 77]
    assert ticks["mode"].tolist() == [Mode.LTP, Mode.FULL]
    assert np.isnan(ticks["implied_vol"]).all()
    assert np.isnan(ticks["delta"]).all()
    assert ticks["status"].tolist() == [0, 0]


def test_decode_frame_skips_a_packet_of_unknown_length() -> None:
    ticks = decode_frame(build.frame([bytes(99), KINDS[packets.KIND_LTP]]))
    assert ticks["instrument_token"].tolist() == [408065]


def test_decode_frame_accepts_a_memoryview() -> None:
    assert len(decode_frame(memoryview(build.frame([FULL])))) == 1


def test_blank_ticks_share_no_memory() -> None:
    ticks = blank_ticks(2)
    ticks[0]["oi"] = 5
    assert ticks[1]["oi"] == 0


@pytest.mark.slow
@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_decode_frame_of_any_bytes_gives_records_or_frame_error(payload: bytes) -> None:
    with contextlib.suppress(FrameError):
        assert decode_frame(payload).dtype == TICK_DTYPE


@pytest.mark.slow
@given(frames, st.data())
@settings(max_examples=300, deadline=None)
def test_decode_frame_of_mutated_frame_gives_records_or_frame_error(
    payload: bytes, data: st.DataObject
) -> None:
    mutated = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated)))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(FrameError):
        decode_frame(bytes(mutated))
