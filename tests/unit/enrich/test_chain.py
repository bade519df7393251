from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.bars import BarOptions
from enrich.chain import ChainOptions
from enrich.engine import Derived, Engine, Lineage
from enrich.parameters import Parameters
from enrich.warming import warm_up
from shared.wire import codec
from shared.wire.chains import Chain
from shared.wire.instruments import Kind
from shared.wire.ticks import ForwardSource, Status
from tests.support.kite_market import (
    NOW_NS,
    NOW_S,
    RATE,
    STRIKES,
    VOL,
    chain,
    header,
    index_packet,
    instruments,
    option,
    packet,
    segments,
)
from tests.unit.enrich.test_engine import tapes

SPOT, FORWARD = 24_000.0, 24_010.0
CALL = option(Kind.CALL, 24_000.0)
S = 1_000_000_000
PARAMETERS = Parameters(id=3, rate=RATE)


def engine(listed: np.ndarray | None = None, **options: float) -> Engine:
    derived = Derived(ChainOptions(**options), BarOptions(intervals_s=(1, 60)))
    return Engine(instruments() if listed is None else listed, 7, PARAMETERS, derived)


def at(after_s: float, *packets: bytes) -> bytes:
    return segments(packets, at_ns=NOW_NS + round(after_s * S))


def market(after_s: float, forward: float = FORWARD) -> bytes:
    """Return the index, then, a moment later, the whole near chain."""
    return at(after_s, index_packet(forward - 10.0)) + at(after_s + 0.001, *chain(forward))


def told(made: Engine, raw: bytes, fence: int = 9) -> list[Chain]:
    made.enrich(header(500), raw, Lineage(1, 2, fence))
    return made.chains()


def test_chain_is_told_once_a_period_of_tick_time_as_a_snapshot_first() -> None:
    made = engine()
    messages = told(made, b"".join(market(0.1 * tenth) for tenth in range(35)))
    assert [message.kind for message in messages] == ["snapshot", "delta", "delta", "delta"]
    assert [message.sequence for message in messages] == [0, 1, 2, 3]
    # A new owner tells it at its first look, from then on at the chain's own moments.
    after_us = [message.at_us - NOW_NS // 1000 for message in messages]
    assert after_us == [100_000, 1_000_000, 2_000_000, 3_000_000]
    first = messages[0]
    assert (first.underlying, first.exchange, first.expiry) == ("NIFTY", "NFO", "2026-09-01")
    assert (first.fence, first.shard, first.parameters_id, first.lot_size) == (9, 0, 3, 65)
    assert first.strikes == list(STRIKES)


def test_figures_of_a_chain_off_one_forward_are_that_forward_and_volatility() -> None:
    messages = told(engine(), b"".join(market(0.3 * third) for third in range(5)))
    last = messages[-1]
    assert last.figures.forward == pytest.approx(FORWARD, abs=0.05)
    assert last.figures.forward_source == ForwardSource.PARITY
    assert last.figures.atm_vol == pytest.approx(VOL, abs=0.001)
    assert last.figures.atm_strike == 24_000.0
    assert last.figures.underlying_price == SPOT
    assert last.figures.basis == pytest.approx(10.0, abs=0.05)
    assert last.smile.kind == "svi"
    assert last.smile.points == 5
    assert messages[0].calls.implied_vol[2] == pytest.approx(VOL, abs=0.001)
    assert set(messages[0].calls.status + messages[0].puts.status) == {Status.OK}


def test_chain_is_priced_again_when_only_the_underlying_moved() -> None:
    made = engine()
    before = told(made, market(0.0) + market(0.3) + at(0.4, index_packet(SPOT)))[-1]
    (after,) = told(made, at(0.9, index_packet(SPOT + 50.0)) + at(1.5, index_packet(SPOT + 50.0)))
    assert after.figures.forward == pytest.approx((before.figures.forward or 0.0) + 50.0, abs=0.1)
    middle = after.strikes.index(24_000.0)
    assert (after.calls.delta[middle] or 0.0) > (before.calls.delta[2] or 0.0)


def test_chain_without_anything_new_is_not_told() -> None:
    made = engine()
    told(made, market(0.0) + market(0.5))
    share = packet(1281, 1500.0)
    told(made, at(2.0, share))
    assert told(made, at(4.0, share) + at(6.0, share)) == []


def test_delta_carries_the_rows_that_changed_and_no_others() -> None:
    made = engine(vol_tolerance=0.5, delta_tolerance=0.5)
    told(made, market(0.0) + market(0.3))
    messages = told(made, at(0.9, packet(CALL, 131.0, volume=2_000)) + at(1.4, index_packet(SPOT)))
    (message,) = messages
    assert (message.kind, message.strikes) == ("delta", [24_000.0])
    assert message.calls.volume == [2_000]
    assert len(message.puts.bid) == 1


def test_snapshot_comes_again_after_so_many_messages() -> None:
    made = engine(snapshot_every=3)
    messages = told(made, b"".join(market(float(second)) for second in range(9)))
    kinds = [message.kind for message in messages if message.expiry == "2026-09-01"]
    assert kinds[:7] == ["snapshot", "delta", "delta", "snapshot", "delta", "delta", "snapshot"]


def test_options_that_never_ticked_are_null_with_a_status() -> None:
    made = engine()
    raw = at(0.0, index_packet(SPOT)) + at(0.01, packet(CALL, 130.0)) + at(0.5, index_packet(SPOT))
    (message,) = told(made, raw)
    wire = codec.decode(codec.encode(message), Chain)
    assert wire.puts.bid == [None] * 5
    assert wire.puts.oi == [None] * 5
    assert wire.puts.status == [Status.NO_PRICE] * 5
    assert wire.calls.status == [10, 10, 0, 10, 10]
    assert wire.smile.kind == "none"
    assert wire.figures.atm_vol is None
    assert wire == message


def test_chain_without_an_underlying_says_so() -> None:
    (message,) = told(engine(), at(0.0, packet(CALL, 130.0)) + at(0.5, packet(CALL, 130.0)))
    assert message.calls.status[2] == Status.NO_UNDERLYING
    assert message.figures.forward is None


def test_new_owner_begins_with_sequence_nought_and_a_snapshot() -> None:
    made = engine()
    told(made, market(0.0) + market(0.5))
    made.begin(0)
    (message,) = told(made, market(1.0) + market(1.5), fence=10)
    assert (message.kind, message.sequence, message.fence) == ("snapshot", 0, 10)


def test_other_instruments_go_on_with_the_sequence_and_a_snapshot() -> None:
    before, listed = engine(), instruments()
    told(before, market(0.0) + market(0.5))
    after = engine(listed[listed["instrument_token"] != CALL])
    after.adopt(before)
    (message,) = told(after, market(1.5))
    assert (message.kind, message.sequence) == ("snapshot", 1)
    assert message.calls.instrument_token[2] is None
    assert message.calls.status[2] == Status.NOT_AN_OPTION


def test_look_prices_so_many_chains_at_most_and_the_others_at_the_next() -> None:
    made = engine(per_look_max=1)
    both = at(0.0, index_packet(SPOT), *chain(FORWARD), *chain(FORWARD + 50.0, 1))
    messages = told(made, both + at(0.06, index_packet(SPOT)) + at(0.12, index_packet(SPOT)))
    assert [message.expiry for message in messages] == ["2026-09-01", "2026-09-02"]
    assert messages[1].at_us - messages[0].at_us == 50_000


def test_tape_that_begins_anew_far_back_is_followed() -> None:
    made = engine()
    told(made, market(1_000.0) + market(1_000.5))
    assert told(made, market(0.0)) == []
    assert len(told(made, market(1.0))) == 1


def test_expired_chain_is_left_alone() -> None:
    made = engine()
    late = packet(CALL, 100.0, stamp_s=NOW_S + 3 * 86_400 + 60)
    assert told(made, at(3 * 86_400 + 60.0, late) + at(3 * 86_400 + 62.0, late)) == []


def test_records_are_the_same_with_chains_and_bars_as_without() -> None:
    raw = b"".join(market(0.13 * step, FORWARD + step) for step in range(20))
    with_them, _ = engine().enrich(header(500), raw, Lineage(1, 2, 9))
    plain = Engine(instruments(), 7, PARAMETERS)
    without, _ = plain.enrich(header(500), raw, Lineage(1, 2, 9))
    assert with_them.tobytes() == without.tobytes()
    assert plain.chains() == []
    assert len(plain.bars()) == 0


def test_warm_up_leaves_nothing_behind() -> None:
    warm_up(PARAMETERS, Derived(ChainOptions(), BarOptions()))
    warm_up(PARAMETERS, Derived())


@pytest.mark.slow
@given(tapes(), st.sets(st.integers(1, 11)))
@settings(max_examples=60, deadline=None)
def test_chains_and_bars_of_a_tape_do_not_depend_on_how_it_was_cut(tape, cuts) -> None:
    whole = engine(snapshot_every=3)
    whole.enrich(header(500), b"".join(tape), Lineage(1, 2, 9))
    parts, chains, bars, begin = engine(snapshot_every=3), [], [], 0
    for cut in [*sorted(cut for cut in cuts if cut < len(tape)), len(tape)]:
        parts.enrich(header(500), b"".join(tape[begin:cut]), Lineage(cut, cut, 9))
        chains += parts.chains()
        bars.append(parts.bars())
        begin = cut
    assert [codec.encode(each) for each in chains] == [
        codec.encode(each) for each in whole.chains()
    ]
    assert np.concatenate(bars).tobytes() == whole.bars().tobytes()
