"""The newest packet per instrument, cut to what each reader wants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kite.codec.repack import Packets
from shared.kite.codec.scan import Scratch
from shared.kite.codec.shelf import Shelf, Wanted
from shared.wire.segments import segment
from shared.wire.ticks import Mode
from tests.support import kite_frames as kf

NIFTY, INFY, TCS = 256265, 408065, 2953217
TOKENS = np.array(sorted((NIFTY, INFY, TCS)), dtype=np.uint32)
QUOTE = kf.quote(INFY, 150_000, 1, 149_900, 10, 20, 30, 149_000, 151_000, 148_000, 149_500)
FULL = kf.full(QUOTE, (7, 0, 0, 0, 9), [(5, 149_990, 1)], [(6, 150_010, 2)])
INDEX = kf.index_full(NIFTY, 2_500_000, 2_510_000, 2_490_000, 2_495_000, 2_480_000, 20_000, 9)


def entry(*packets: bytes) -> bytes:
    return segment(1, kf.frame(packets))


def rows(shelf: Shelf, *tokens: int) -> np.ndarray:
    return shelf.rows_of(np.array(tokens, dtype=np.uint32))


def read(wanted: Wanted, size: int = 4096) -> list[bytes]:
    """Return the packets of the next frame, as a client would find them."""
    frame, packets = wanted.cut(np.zeros(size, dtype=np.uint8))
    scratch = Scratch()
    assert scratch.scan(bytes(frame)) == packets
    return [
        bytes(frame[at : at + length])
        for at, length in zip(
            scratch.offsets[:packets].tolist(), scratch.lengths[:packets].tolist(), strict=True
        )
    ]


def take(shelf: Shelf, *readers: Wanted, of: bytes) -> None:
    for _ in shelf.take(of):
        for reader in readers:
            reader.note(shelf.touched)


def test_a_reader_gets_a_packet_cut_to_its_mode() -> None:
    shelf = Shelf(TOKENS)
    for mode, sizes in ((Mode.LTP, {8}), (Mode.QUOTE, {28, 44}), (Mode.FULL, {32, 184})):
        reader = Wanted(shelf)
        reader.want(rows(shelf, INFY, NIFTY), mode)
        take(shelf, reader, of=entry(FULL, INDEX))
        got = read(reader)
        assert {len(packet) for packet in got} == sizes
        assert all((FULL + INDEX).find(packet) >= 0 for packet in got)


def test_a_smaller_packet_than_wanted_is_sent_as_it_is() -> None:
    shelf = Shelf(TOKENS)
    reader = Wanted(shelf)
    reader.want(rows(shelf, INFY), Mode.FULL)
    take(shelf, reader, of=entry(QUOTE))
    assert read(reader) == [QUOTE]


def test_what_nobody_wants_and_what_nobody_listed_is_not_sent() -> None:
    shelf = Shelf(TOKENS)
    reader = Wanted(shelf)
    reader.want(rows(shelf, TCS), Mode.FULL)
    (shelved,) = shelf.take(entry(FULL, kf.ltp(99, 1), kf.ltp(INFY, 5)[:7]))
    reader.note(shelf.touched)
    assert (shelved.packets, shelved.left_out) == (3, 2)
    assert read(reader) == []


def test_the_last_packet_wins_while_a_reader_does_not_read() -> None:
    shelf = Shelf(TOKENS)
    reader = Wanted(shelf)
    reader.want(rows(shelf, INFY), Mode.LTP)
    for price in (1, 2, 3):
        take(shelf, reader, of=entry(kf.ltp(INFY, price)))
    assert reader.owed == 1
    assert read(reader) == [kf.ltp(INFY, 3)]
    assert reader.owed == 0


def test_wanting_owes_what_is_held_at_once() -> None:
    shelf = Shelf(TOKENS)
    take(shelf, of=entry(FULL))
    reader = Wanted(shelf)
    reader.want(rows(shelf, INFY, TCS), Mode.QUOTE)
    assert read(reader) == [FULL[:44]]


def test_what_does_not_fit_a_frame_stays_owed() -> None:
    shelf = Shelf(TOKENS)
    reader = Wanted(shelf)
    reader.want(rows(shelf, INFY, NIFTY, TCS), Mode.FULL)
    take(shelf, reader, of=entry(FULL, INDEX, kf.ltp(TCS, 7)))
    first = read(reader, size=2 + 2 + 184 + 10)
    assert first + read(reader) == [FULL, INDEX, kf.ltp(TCS, 7)]


def test_what_was_left_is_not_sent_though_it_was_owed() -> None:
    shelf = Shelf(TOKENS)
    reader = Wanted(shelf)
    reader.want(rows(shelf, INFY, TCS), Mode.LTP)
    take(shelf, reader, of=entry(kf.ltp(INFY, 1), kf.ltp(TCS, 2)))
    reader.leave(rows(shelf, INFY))
    assert read(reader) == [kf.ltp(TCS, 2)]


def test_subscribing_and_leaving_for_ever_takes_no_more_memory() -> None:
    shelf = Shelf(TOKENS)
    take(shelf, of=entry(FULL, INDEX, kf.ltp(TCS, 7)))
    reader = Wanted(shelf)
    for _ in range(50):
        reader.want(rows(shelf, INFY, NIFTY, TCS), Mode.FULL)
        reader.leave(rows(shelf, INFY, NIFTY, TCS))
    assert reader._owed.size == 3


def test_a_damaged_frame_costs_only_itself() -> None:
    shelf = Shelf(TOKENS)
    broken = segment(1, kf.frame([FULL])[:-1])
    (shelved,) = shelf.take(broken + entry(kf.ltp(TCS, 7)))
    assert (shelved.damaged, shelf.touched.tolist()) == (1, rows(shelf, TCS).tolist())


def test_another_shelf_inherits_what_both_hold() -> None:
    old, new = Shelf(TOKENS), Shelf(np.array([5, INFY], dtype=np.uint32))
    take(old, of=entry(FULL, INDEX))
    new.inherit(old)
    reader = Wanted(new)
    reader.want(rows(new, INFY, 5), Mode.FULL)
    assert read(reader) == [FULL]


def test_packets_made_of_records_never_replace_those_of_a_socket() -> None:
    shelf = Shelf(TOKENS)
    take(shelf, of=entry(kf.ltp(INFY, 9)))
    bodies = np.zeros((3, 184), dtype=np.uint8)
    for place, token in enumerate((TCS, 77, INFY)):
        bodies[place, :8] = np.frombuffer(kf.ltp(token, 5), dtype=np.uint8)
    made = Packets(np.array([TCS, 77, INFY], np.uint32), np.array([8, 8, 8], np.uint16), bodies)
    assert shelf.put(made).tolist() == rows(shelf, TCS).tolist()
    reader = Wanted(shelf)
    reader.want(rows(shelf, INFY, TCS), Mode.LTP)
    assert sorted(read(reader)) == sorted([kf.ltp(INFY, 9), kf.ltp(TCS, 5)])


_ACTIONS = st.one_of(
    st.tuples(st.just("tick"), st.sampled_from(TOKENS.tolist()), st.integers(1, 2**31 - 1)),
    st.tuples(st.just("want"), st.sampled_from(TOKENS.tolist()), st.just(0)),
    st.tuples(st.just("leave"), st.sampled_from(TOKENS.tolist()), st.just(0)),
    st.tuples(st.just("read"), st.just(0), st.integers(12, 40)),
)


@pytest.mark.slow
@given(st.lists(_ACTIONS, max_size=60))
def test_whoever_reads_to_the_end_has_the_last_value_of_all_it_wants(actions: list) -> None:
    shelf = Shelf(TOKENS)
    reader, wanted, last, seen = Wanted(shelf), set(), {}, {}

    def hear(packets: list[bytes]) -> None:
        for packet in packets:
            token, price = np.frombuffer(packet, ">u4").tolist()
            assert token in wanted
            seen[token] = price

    for what, token, number in actions:
        match what:
            case "tick":
                last[token] = number
                take(shelf, reader, of=entry(kf.ltp(token, number)))
            case "want":
                wanted.add(token)
                reader.want(rows(shelf, token), Mode.LTP)
            case "leave":
                wanted.discard(token)
                seen.pop(token, None)
                reader.leave(rows(shelf, token))
            case "read":
                hear(read(reader, size=number + 200))
        assert reader.owed <= TOKENS.size
    while reader.owed:
        hear(read(reader))
    assert {t: seen[t] for t in wanted & last.keys()} == {t: last[t] for t in wanted & last.keys()}
