"""What cannot be goes out flagged, is counted, and nothing remembers it."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.bars import BarOptions
from enrich.chain import ChainOptions
from enrich.engine import Derived, Lineage
from enrich.kernels import sanity, tick
from shared.wire.instruments import Kind
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR, ForwardSource, Status, TickFlag
from tests.support import kite_frames
from tests.support.engines import counted, engine
from tests.support.kite_market import (
    FUTURE,
    INDEX,
    NOW_NS,
    NOW_S,
    SHARE,
    chain,
    header,
    index_packet,
    option,
    packet,
    segments,
)

CALL = option(Kind.CALL, 24_000.0)
S = 1_000_000_000
NEGATIVE = 2**32 - 5  # minus five paise as Kite's bytes have it


def spoilt(token: int, at: int, value: int, price: float = 1500.0) -> bytes:
    """Return a full packet with four bytes at `at` exchanged."""
    whole = packet(token, price)
    return whole[:at] + value.to_bytes(4, "big") + whole[at + 4 :]


LAST, AVERAGE, OPEN, LOW, BID, ASK = 4, 12, 28, 36, 68, 128
STAMP = 60


@pytest.mark.parametrize("at", [LAST, AVERAGE, OPEN, LOW, BID, ASK])
def test_negative_price_is_flagged_counted_and_kept_out_of_state(at: int) -> None:
    made = engine()
    counted(made, segments([packet(SHARE, 1500.0)]))
    (record,), counts = counted(made, segments([spoilt(SHARE, at, NEGATIVE)]))
    assert record["tick_flags"] == TickFlag.IMPOSSIBLE_VALUE
    assert (counts.impossible_ticks, counts.backwards_ticks) == (1, 0)
    assert np.isnan(record["price"])
    (kept,) = made.last.ticked()
    assert (kept["last_price"], kept["tick_flags"]) == (1500.0, 0)


def test_option_at_a_negative_price_is_bad_input_and_its_last_quote_stands() -> None:
    made = engine()
    counted(made, segments([index_packet(24_000.0)], chain(24_010.0)))
    (record,), _ = counted(made, segments([spoilt(CALL, LAST, NEGATIVE)]))
    assert record["status"] == Status.BAD_INPUT
    assert record["underlying_token"] == INDEX
    (after,), _ = counted(made, segments([packet(CALL, 190.0)]))
    assert after["status"] == Status.OK


def test_index_at_nought_is_impossible_and_an_option_at_nought_has_not_traded() -> None:
    made = engine()
    counted(made, segments([index_packet(24_000.0)]))
    (record,), counts = counted(made, segments([index_packet(0.0)]))
    assert record["tick_flags"] == TickFlag.IMPOSSIBLE_VALUE
    assert counts.impossible_ticks == 1
    (untraded,), _ = counted(made, segments([packet(CALL, 0.0, bid=0.0, ask=0.0)]))
    assert untraded["tick_flags"] == 0
    assert untraded["status"] == Status.NO_PRICE
    assert untraded["underlying_price"] == 24_000.0


def test_stamp_days_ahead_is_impossible_and_does_not_stop_the_clock() -> None:
    made = engine()
    counted(made, segments([packet(SHARE, 1500.0)]))
    ahead = spoilt(SHARE, STAMP, NOW_S + 2 * 86_400)
    (record,), _ = counted(made, segments([ahead]))
    assert record["tick_flags"] == TickFlag.IMPOSSIBLE_VALUE
    (after,), _ = counted(made, segments([packet(SHARE, 1501.0, stamp_s=NOW_S + 1)]))
    assert after["tick_flags"] == 0


def test_impossible_tick_makes_no_bar_and_no_chain_row() -> None:
    made = engine(derived=Derived(ChainOptions(period_s=1.0), BarOptions(intervals_s=(1,))))
    counted(made, segments([spoilt(SHARE, LAST, NEGATIVE), spoilt(CALL, BID, NEGATIVE)]))
    counted(made, segments([index_packet(24_000.0)], at_ns=NOW_NS + 9 * S))
    assert SHARE not in made.bars()["instrument_token"]
    assert all(each.calls.at_ms == [None] * 5 for each in made.chains())


def test_older_tick_goes_out_with_its_own_price_and_leaves_no_trace() -> None:
    made = engine()
    counted(made, segments([index_packet(24_000.0)], chain(24_010.0)))
    counted(made, segments([packet(CALL, 150.0, stamp_s=NOW_S + 5)]))
    (late,), counts = counted(made, segments([packet(CALL, 250.0, stamp_s=NOW_S + 3)]))
    assert late["tick_flags"] == TickFlag.TIME_BACKWARDS
    assert (late["price"], late["status"]) == (250.0, Status.OK)
    assert (counts.backwards_ticks, counts.impossible_ticks) == (1, 0)
    kept = made.last.ticked()
    assert kept[kept["instrument_token"] == CALL]["last_price"].tolist() == [150.0]


def test_older_underlying_does_not_move_the_forward() -> None:
    made = engine()
    counted(made, segments([index_packet(24_000.0, NOW_S + 5)]))
    counted(made, segments([index_packet(20_000.0, NOW_S + 4)]))
    (record,), _ = counted(made, segments([packet(CALL, 150.0)]))
    assert record["underlying_price"] == 24_000.0


def test_feed_whose_stamps_stay_behind_is_believed_again_after_a_minute() -> None:
    made = engine()
    counted(made, segments([packet(SHARE, 1500.0, stamp_s=NOW_S + 50)]))
    flags = []
    for after_s in (1, 30, 61, 62):
        raw = segments([packet(SHARE, 1501.0, stamp_s=NOW_S)], at_ns=NOW_NS + after_s * S)
        flags.append(int(counted(made, raw)[0]["tick_flags"][0]))
    assert flags == [TickFlag.TIME_BACKWARDS, TickFlag.TIME_BACKWARDS, 0, TickFlag.REPEATED]


def test_tape_of_an_earlier_day_is_followed_at_once() -> None:
    made = engine()
    counted(made, segments([packet(SHARE, 1500.0)]))
    earlier = packet(SHARE, 1400.0, stamp_s=NOW_S - 86_400)
    (record,), _ = counted(made, segments([earlier], at_ns=NOW_NS - 86_400 * S))
    assert record["tick_flags"] == 0


def test_weekly_expiry_takes_its_carry_from_the_monthly_future() -> None:
    made = engine()
    future = packet(FUTURE, 24_096.0)
    call = packet(CALL, 150.0)
    records, _ = counted(made, segments([index_packet(24_000.0), future, call]))
    assert records[-1]["forward_source"] == ForwardSource.FUTURE_INTERPOLATED
    assert records[-1]["forward"] == pytest.approx(24_000.0 * (1.004 ** (3 / 24)), rel=1e-9)
    assert records[-1]["status"] == Status.OK


def test_codes_are_those_of_the_wire() -> None:
    assert tick.IMPOSSIBLE_VALUE == TickFlag.IMPOSSIBLE_VALUE
    assert tick.FUTURE == Kind.FUTURE
    assert max(Kind.EQUITY, Kind.INDEX) == sanity._EQUITY


def test_last_price_packet_of_a_share_at_nought_is_impossible() -> None:
    (record,), _ = counted(engine(), segments([kite_frames.ltp(SHARE, 0)]))
    assert record["tick_flags"] == TickFlag.IMPOSSIBLE_VALUE


def test_older_repair_does_not_mark_what_is_known_as_repaired() -> None:
    made = engine()
    counted(made, segments([packet(SHARE, 1500.0, stamp_s=NOW_S + 5)]))
    repair = np.frombuffer(header(1), RAW_HEADER_DTYPE).copy()
    repair["socket"] = SOCKET_REPAIR
    raw = segments([packet(SHARE, 1400.0, stamp_s=NOW_S + 3)])
    records, _ = made.enrich(repair.tobytes(), raw, Lineage(1, 2, 9))
    assert records["tick_flags"].tolist() == [TickFlag.TIME_BACKWARDS | TickFlag.REPAIR]
    (kept,) = made.last.ticked()
    assert (kept["last_price"], kept["tick_flags"]) == (1500.0, 0)
