"""Records and events folded into what a run shows."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from rich.console import Console

from deploy.local.figures import Figures, nearest_chain
from deploy.local.view import line, picture
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.orders import OrderEvent, State
from shared.wire.ticks import BATCH_HEADER_DTYPE, TICK_DTYPE

SECOND_NS = 1_000_000_000
START_NS = 1_795_000_000 * SECOND_NS
EXPIRY = 20261124


def _instruments() -> np.ndarray:
    rows = np.zeros(6, INSTRUMENT_DTYPE)
    rows["instrument_token"] = range(1, 7)
    rows["underlying"] = b"NIFTY"
    rows["strike"] = [25000, 25000, 25100, 25100, 25000, 0]
    rows["kind"] = [Kind.CALL, Kind.PUT, Kind.CALL, Kind.PUT, Kind.CALL, Kind.FUTURE]
    rows["expiry"] = [EXPIRY, EXPIRY, EXPIRY, EXPIRY, EXPIRY + 7, EXPIRY]
    return rows


def _header(sequence: int, *, fence: int = 1, shard: int = 0) -> np.void:
    header = np.zeros(1, BATCH_HEADER_DTYPE)
    header["sequence"], header["fence"], header["shard"] = sequence, fence, shard
    return header[0]


def _records(now_ns: int, tokens: list[int], *, vol: float = 0.15) -> np.ndarray:
    records = np.zeros(len(tokens), TICK_DTYPE)
    records["instrument_token"] = tokens
    records["received_at_ns"] = now_ns - 10_000_000
    records["raw_entry_ms"] = now_ns // 1_000_000 - 8
    records["underlying_price"] = 25_040.0 + vol
    records["implied_vol"] = vol
    records["last_price"] = 100.0
    return records


def _run(figures: Figures, seconds: int, *, freezes: bool = False) -> None:
    for second in range(seconds):
        now_ns = START_NS + second * SECOND_NS
        vol = 0.15 if freezes else 0.15 + second / 1000
        figures.on_batch(
            _header(second), _records(now_ns, [1, 2], vol=vol), now_ns // 1_000_000 - 5, now_ns
        )
        figures.snapshot(now_ns)


def test_nearest_chain_takes_the_first_expiry_that_is_not_over() -> None:
    chain = nearest_chain(_instruments(), "NIFTY", EXPIRY)
    assert chain.expiry == EXPIRY
    assert chain.options[3] == (25100.0, True)
    assert set(chain.options) == {1, 2, 3, 4}
    assert nearest_chain(_instruments(), "NIFTY", EXPIRY + 1).expiry == EXPIRY + 7
    assert nearest_chain(_instruments(), "BANKNIFTY", EXPIRY).options == {}


def test_a_snapshot_counts_ticks_by_second_by_shard_with_latency_of_each_hop() -> None:
    figures = Figures(START_NS)
    _run(figures, 11)
    shot = figures.snapshot(START_NS + 10 * SECOND_NS)
    assert shot.ticks_total == 22
    assert shot.shards == {0: 22}
    assert shot.ticks_per_s == pytest.approx(2 * 6 / 5)
    assert [round(hop.p50_ms) for hop in shot.hops] == [2, 3, 5, 10]
    assert shot.lag_ms == pytest.approx(10.0, abs=0.1)


def test_a_snapshot_shows_the_strikes_round_the_money_with_dashes_for_the_unknown() -> None:
    figures = Figures(START_NS)
    figures.show_chain(nearest_chain(_instruments(), "NIFTY", EXPIRY))
    _run(figures, 3)
    shot = figures.snapshot(START_NS + 2 * SECOND_NS)
    assert [row.strike for row in shot.rows] == [25000.0, 25100.0]
    assert shot.rows[0].call["implied_vol"] == pytest.approx(0.152)
    assert math.isnan(shot.rows[1].put["implied_vol"])
    assert "ATM IV 15.20 %" in line(shot)
    assert picture(shot, 80)


def test_a_jump_in_the_sequence_is_counted_as_what_we_were_too_slow_to_read() -> None:
    figures = Figures(START_NS)
    for sequence, fence in ((5, 1), (6, 1), (9, 1), (0, 2), (1, 2)):
        header = _header(sequence, fence=fence)
        figures.on_batch(header, _records(START_NS, [1]), START_NS // 1_000_000, START_NS)
    assert figures.skipped_total == 2


def test_figures_that_move_are_not_blamed() -> None:
    figures = Figures(START_NS)
    figures.show_chain(nearest_chain(_instruments(), "NIFTY", EXPIRY))
    _run(figures, 20)
    assert figures.stood_still() == []


def test_a_chain_that_froze_while_ticks_flowed_is_blamed() -> None:
    figures = Figures(START_NS)
    figures.show_chain(nearest_chain(_instruments(), "NIFTY", EXPIRY))
    _run(figures, 20, freezes=True)
    assert [sentence.split(" showed")[0] for sentence in figures.stood_still()] == [
        "the price of NIFTY",
        "the NIFTY chain",
        "the NIFTY implied volatilities",
    ]


def test_a_shard_that_went_silent_while_another_flows_is_blamed() -> None:
    figures = Figures(START_NS)
    for second in range(20):
        now_ns = START_NS + second * SECOND_NS
        for shard in (0, 1) if second < 5 else (0,):
            records = _records(now_ns, [9])
            figures.on_batch(_header(second, shard=shard), records, now_ns // 1_000_000, now_ns)
        figures.snapshot(now_ns)
    assert figures.stood_still() == [
        "the count of shard 1 showed the same for 15 s while ticks flowed"
    ]


def test_a_run_too_short_to_tell_blames_nothing() -> None:
    figures = Figures(START_NS)
    figures.show_chain(nearest_chain(_instruments(), "NIFTY", EXPIRY))
    _run(figures, 3, freezes=True)
    assert figures.stood_still() == []


def test_a_snapshot_before_anything_came_is_blank() -> None:
    shot = Figures(START_NS).snapshot(START_NS)
    assert shot.ticks_per_s == 0
    assert "p50 - ms" in line(shot)
    assert picture(shot, 80)


def test_a_narrow_terminal_shows_fewer_columns_of_the_same_chain() -> None:
    figures = Figures(START_NS)
    figures.show_chain(nearest_chain(_instruments(), "NIFTY", EXPIRY))
    _run(figures, 3)
    shot = figures.snapshot(START_NS + 2 * SECOND_NS)
    drawn = {}
    for width in (80, 160):
        console = Console(width=width, file=io.StringIO())
        with console.capture() as capture:
            console.print(picture(shot, width))
        drawn[width] = capture.get()
    assert "gamma" not in drawn[80]
    assert "gamma" in drawn[160]
    assert all("25,000" in text and "15.20" in text for text in drawn.values())


def test_events_are_shown_newest_last() -> None:
    figures = Figures(START_NS)
    for number in range(10):
        figures.on_event(
            OrderEvent(
                sequence=number,
                account="SB0001",
                command_id=f"command-{number}",
                kind="place",
                event="accepted",
                state=State.ACCEPTED,
                at_us=1,
            )
        )
    shot = figures.snapshot(START_NS)
    assert shot.events_total == 10
    assert [event.sequence for event in shot.events] == [4, 5, 6, 7, 8, 9]
    assert picture(shot, 80)
