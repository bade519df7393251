from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.engine import Lineage
from enrich.raw_header import PACKETS_PER_ENTRY_MAX, promised_packets
from shared.errors import MessageError
from shared.wire.instruments import Kind
from shared.wire.segments import iterate, segment
from shared.wire.ticks import RAW_HEADER_DTYPE, TICK_DTYPE, ForwardSource, Mode, Status, TickFlag
from tests.support import kite_frames
from tests.support.engines import engine, enriched, last_of
from tests.support.kite_market import (
    INDEX,
    NOW_NS,
    NOW_S,
    SHARE,
    UNKNOWN,
    VOL,
    chain,
    header,
    index_packet,
    option,
    packet,
    segments,
)

SPOT, FORWARD = 24_000.0, 24_010.0
#: Where a record came from: the only thing that cutting a tape differently may change.
LINEAGE = ("raw_entry_ms", "raw_entry_sequence", "raw_packet_index")
CALL = option(Kind.CALL, 24_000.0)


def test_chain_off_one_forward_gives_that_forward_and_volatility() -> None:
    made = engine()
    enriched(made, segments([index_packet(SPOT)], chain(FORWARD)))
    records = enriched(made, segments(chain(FORWARD), at_ns=NOW_NS + 300_000_000))
    assert set(records["status"]) == {Status.OK}
    assert set(records["forward_source"][1:]) == {ForwardSource.PARITY}
    assert records["forward"][1:] == pytest.approx(FORWARD, abs=0.05)
    near_money = records[np.abs(records["iv_tick"]) < 0.1]
    assert len(near_money) == len(records)
    assert near_money["implied_vol"] == pytest.approx(VOL, abs=0.001)


def test_record_says_where_it_came_from() -> None:
    raw = segments([index_packet(SPOT)], [packet(SHARE, 1500.0), packet(CALL, 100.0)])
    records = enriched(engine(), raw, fence=12)
    assert records["raw_packet_index"].tolist() == [0, 1, 2]
    assert records["received_at_ns"].tolist() == [NOW_NS, NOW_NS + 10**6, NOW_NS + 10**6]
    one = records[1]
    assert (one["raw_entry_ms"], one["raw_entry_sequence"], one["fence"]) == (1, 2, 12)
    assert (one["instruments_version"], one["parameters_id"], one["shard"]) == (7, 3, 1)


def test_share_is_no_option_yet_has_its_price() -> None:
    (record,) = enriched(engine(), segments([packet(SHARE, 1500.0)]))
    assert record["status"] == Status.NOT_AN_OPTION
    assert record["price"] == 1500.0
    assert np.isnan(record["implied_vol"])


def test_unknown_instrument_becomes_a_flagged_record_and_is_counted() -> None:
    records, counts = engine().enrich(
        header(2), segments([packet(UNKNOWN, 10.0), packet(SHARE, 1500.0)]), Lineage(1, 2, 3)
    )
    assert counts.unknown_instruments == 1
    assert records["tick_flags"].tolist() == [TickFlag.UNKNOWN_INSTRUMENT, 0]
    assert records["last_price"].tolist() == [10.0, 1500.0]
    assert records["status"].tolist() == [Status.NOT_AN_OPTION] * 2


def test_option_before_any_underlying_has_no_forward() -> None:
    (record,) = enriched(engine(), segments([packet(CALL, 100.0)]))
    assert record["status"] == Status.NO_UNDERLYING
    assert np.isnan(record["forward"])


def test_packet_of_unknown_length_is_counted_and_left_out() -> None:
    raw = segments([kite_frames.ltp(SHARE, 1) + b"x", packet(SHARE, 1500.0)])
    records, counts = engine().enrich(header(2), raw, Lineage(1, 2, 3))
    assert (len(records), counts.unknown_packets) == (1, 1)


def test_damaged_frame_keeps_what_lies_before_the_damage_and_what_follows() -> None:
    whole = kite_frames.frame([packet(SHARE, 1500.0), packet(SHARE, 1501.0)])
    raw = segment(NOW_NS, whole[:-1]) + segments([packet(SHARE, 1502.0)])
    records, counts = engine().enrich(header(3), raw, Lineage(1, 2, 3))
    assert records["last_price"].tolist() == [1500.0, 1502.0]
    assert counts.damaged_frames == 1


def test_entry_that_ends_inside_a_segment_is_read_up_to_there() -> None:
    raw = segments([packet(SHARE, 1500.0)], [packet(SHARE, 1501.0)])
    records, counts = engine().enrich(header(2), raw[:-1], Lineage(1, 2, 3))
    assert (len(records), counts.damaged_frames) == (1, 1)


def test_packets_beyond_what_the_header_promised_are_counted() -> None:
    many = [packet(SHARE, 1500.0)] * 3_000
    _, counts = engine().enrich(header(1), segments(many, many), Lineage(1, 2, 3))
    assert counts.undecoded_packets == 6_000 - 4_096


def test_large_entry_makes_room_for_what_its_header_promises() -> None:
    many = [packet(SHARE, 1500.0)] * 3_000
    records, counts = engine().enrich(header(6_000), segments(many, many), Lineage(1, 2, 3))
    assert (len(records), counts.undecoded_packets) == (6_000, 0)


@pytest.mark.parametrize("poison", [b"", b"x" * 39, b"x" * 41])
def test_header_of_another_size_is_refused(poison: bytes) -> None:
    assert RAW_HEADER_DTYPE.itemsize == 40
    with pytest.raises(MessageError, match="raw header is"):
        engine().enrich(poison, b"", Lineage(1, 2, 3))


def test_header_that_promises_too_much_is_refused() -> None:
    with pytest.raises(MessageError, match="packets 250001 is over 250000"):
        promised_packets(header(PACKETS_PER_ENTRY_MAX + 1))


def test_same_packet_again_is_flagged_and_counted_as_repeated() -> None:
    made, raw = engine(), segments([packet(SHARE, 1500.0)])
    assert enriched(made, raw)["tick_flags"].tolist() == [0]
    records, counts = made.enrich(header(1), raw, Lineage(1, 2, 3))
    assert records["tick_flags"].tolist() == [TickFlag.REPEATED]
    assert counts.repeated_ticks == 1


def test_other_volume_in_the_same_second_is_no_repeat() -> None:
    made = engine()
    enriched(made, segments([packet(SHARE, 1500.0, volume=10)]))
    assert enriched(made, segments([packet(SHARE, 1500.0, volume=11)]))["tick_flags"][0] == 0


def test_older_exchange_time_is_flagged_and_does_not_turn_the_clock_back() -> None:
    made = engine()
    frames = [
        [packet(SHARE, 1500.0 + n, stamp_s=NOW_S + after)] for n, after in enumerate((5, 3, 4))
    ]
    records = enriched(made, segments(*frames))
    backwards = TickFlag.TIME_BACKWARDS
    assert records["tick_flags"].tolist() == [0, backwards, backwards]


def test_options_time_comes_from_the_exchange_else_from_the_receive_time() -> None:
    made = engine()
    raw = segments([index_packet(SPOT)], [packet(CALL, 100.0, stamp_s=NOW_S - 86_400)])
    stamped = enriched(made, raw)[-1]["time_to_expiry"]
    ltp = segments([kite_frames.ltp(CALL, 10_000)], at_ns=NOW_NS)
    received = enriched(made, ltp)[-1]
    assert received["mode"] == Mode.LTP
    assert received["time_to_expiry"] * 365 == pytest.approx(3.0)
    assert stamped * 365 == pytest.approx(4.0)


def tapes() -> st.SearchStrategy[list[bytes]]:
    """Frames that move the index, the chain, a share, nothing, or are damaged."""
    prices = st.sampled_from([23_950.0, 24_000.0, 24_020.0])
    options = prices.map(chain)
    frames = st.one_of(
        prices.map(lambda price: kite_frames.frame([index_packet(price)])),
        options.map(kite_frames.frame),
        st.tuples(options, st.integers(0, 9)).map(lambda o: kite_frames.frame([o[0][o[1]]])),
        st.just(kite_frames.frame([packet(SHARE, 1500.0), packet(UNKNOWN, 1.0)])),
        st.just(kite_frames.frame([packet(SHARE, 1500.0)])[:-3]),
        st.just(b"\0"),
    )
    gaps = st.sampled_from([0, 1_000_000, 260_000_000, 6_000_000_000])
    timed = st.lists(st.tuples(frames, gaps), min_size=1, max_size=12)
    return timed.map(_timed)


def _timed(frames: list[tuple[bytes, int]]) -> list[bytes]:
    at_ns, tape = NOW_NS, []
    for body, gap in frames:
        at_ns += gap
        tape.append(segment(at_ns, body))
    return tape


@pytest.mark.slow
@given(tapes(), st.sets(st.integers(1, 11)))
@settings(max_examples=60, deadline=None)
def test_records_of_a_tape_do_not_depend_on_how_it_was_cut(tape: list[bytes], cuts) -> None:
    whole = enriched(engine(), b"".join(tape))
    made, parts = engine(), []
    begin = 0
    for cut in [*sorted(cut for cut in cuts if cut < len(tape)), len(tape)]:
        records, _ = made.enrich(header(500), b"".join(tape[begin:cut]), Lineage(cut, cut, 9))
        parts.append(records.copy())
        begin = cut
    pieces = np.concatenate(parts)
    for name in LINEAGE:
        whole[name] = pieces[name] = 0
    assert whole.tobytes() == pieces.tobytes()


@pytest.mark.slow
@given(tapes())
@settings(max_examples=40, deadline=None)
def test_newest_only_keeps_each_instruments_last_packet_with_its_own_time(tape) -> None:
    made = engine()
    raw = b"".join(tape)
    every = enriched(engine(), raw)
    cut = made.newest_only(raw)
    kept = enriched(made, cut.segments)
    known = every[every["tick_flags"] & TickFlag.UNKNOWN_INSTRUMENT == 0]
    assert sorted(kept["instrument_token"]) == sorted(set(known["instrument_token"].tolist()))
    assert cut.left_out == len(every) - len(kept)
    for record in kept:
        newest = last_of(known, record["instrument_token"])
        for name in ("received_at_ns", "last_price", "exchange_timestamp_s"):
            assert record[name] == newest[name]


def test_newest_only_counts_damaged_frames() -> None:
    broken = segment(NOW_NS, kite_frames.frame([packet(SHARE, 1500.0)])[:-1])
    cut = engine().newest_only(broken + segments([packet(SHARE, 1501.0)]))
    assert cut.damaged_frames == 1
    assert [bytes(body) for _, body in iterate(cut.segments)] == [
        kite_frames.frame([packet(SHARE, 1501.0)])
    ]


def test_newest_only_of_nothing_is_nothing() -> None:
    assert engine().newest_only(b"").segments == b""


def test_refreshed_gives_each_newest_record_of_its_shard_once() -> None:
    made = engine()
    enriched(made, segments([index_packet(1.0)], [index_packet(2.0), packet(SHARE, 1500.0)]))
    assert made.last.refreshed(0)["last_price"].tolist() == [2.0]
    assert len(made.last.refreshed(0)) == 0
    assert made.last.refreshed(1)["last_price"].tolist() == [1500.0]


def test_parts_of_refreshed_together_give_every_record_once() -> None:
    made = engine()
    enriched(made, segments([index_packet(2.0), packet(SHARE, 1500.0)]))
    parts = [made.last.refreshed(shard, part, 3) for part in range(3) for shard in (0, 1)]
    tokens = [token for records in parts for token in records["instrument_token"].tolist()]
    assert len(tokens) == len(set(tokens)) == 2
    assert len(made.last.refreshed(0)) == len(made.last.refreshed(1)) == 0


def test_forgotten_refreshes_are_given_again() -> None:
    made = engine()
    enriched(made, segments([index_packet(2.0)]))
    made.last.refreshed(0)
    made.last.forget_refreshed()
    assert made.last.refreshed(0)["last_price"].tolist() == [2.0]


def test_restored_engine_prices_the_next_option_as_the_one_before_would() -> None:
    before, after = engine(), engine()
    enriched(before, segments([index_packet(SPOT)], chain(FORWARD)))
    kept = before.last.ticked()
    after.restore(kept[::-1])
    raw = segments([packet(CALL, 100.0)], at_ns=NOW_NS + 10**8)
    (record,) = enriched(after, raw)
    assert record["status"] == Status.OK
    assert record["underlying_price"] == SPOT
    assert record["forward_source"] == ForwardSource.PARITY
    assert record["forward"] == pytest.approx(FORWARD, abs=0.05)


def test_restore_keeps_whichever_record_is_newer() -> None:
    made = engine()
    old = enriched(engine(), segments([index_packet(1.0)], at_ns=NOW_NS - 10**9))
    new = enriched(engine(), segments([packet(SHARE, 3.0)], at_ns=NOW_NS + 10**9))
    enriched(made, segments([index_packet(2.0), packet(SHARE, 2.0)]))
    made.restore(np.concatenate((old, new)))
    newest = made.last.ticked()
    assert last_of(newest, INDEX)["last_price"] == 2.0
    assert last_of(newest, SHARE)["last_price"] == 3.0


def test_restore_ignores_instruments_that_are_not_listed_any_more() -> None:
    made = engine()
    gone = np.zeros(1, TICK_DTYPE)
    gone["instrument_token"], gone["received_at_ns"] = UNKNOWN, NOW_NS
    made.restore(gone)
    made.restore(gone[:0])
    assert len(made.last.ticked()) == 0


def test_warm_engine_has_seen_nothing() -> None:
    made = engine()
    made.warm_up()
    assert len(made.last.ticked()) == 0
