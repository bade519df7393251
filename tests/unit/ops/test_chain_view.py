"""An option chain from last ticks."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from shared.ops.chain_view import Chain, Window, build, render
from shared.ops.listed import options_of
from tests.support.option_chain import NEAR, RECEIVED_AT_NS, STRIKES, chain_ticks, market


def chain(strikes: int = 10, *, forward: float = 24_030.0, ticks=None) -> Chain:
    options = options_of(market(), "NIFTY")
    near = options[options["expiry"] == NEAR]
    records = chain_ticks(forward=forward) if ticks is None else ticks
    return build(Window("NIFTY", NEAR, strikes), near, records)


def text_of(made: Chain) -> str:
    out = io.StringIO()
    Console(file=out, width=250).print(render(made))
    return out.getvalue()


def test_chain_has_every_strike_with_both_sides() -> None:
    made = chain()
    assert [row.strike for row in made.rows] == list(STRIKES)
    assert all(row.call and row.put for row in made.rows)
    assert (made.underlying_price, made.forward) == (24_010.0, 24_030.0)
    assert made.as_of_us == RECEIVED_AT_NS // 1000


def test_money_is_the_strike_nearest_the_forward() -> None:
    made = chain(forward=24_120.0)
    assert [row.strike for row in made.rows if row.at_the_money] == [24_100.0]


def test_money_without_a_forward_is_the_strike_nearest_the_underlying() -> None:
    made = chain(forward=float("nan"))
    assert [row.strike for row in made.rows if row.at_the_money] == [24_000.0]


def test_window_is_cut_at_the_chains_ends() -> None:
    assert [row.strike for row in chain(1).rows] == [23_900.0, 24_000.0, 24_100.0]
    assert [row.strike for row in chain(1, forward=1.0).rows] == [23_900.0, 24_000.0]
    assert [row.strike for row in chain(0, forward=1e6).rows] == [24_200.0]


def test_chain_without_ticks_has_strikes_but_no_sides() -> None:
    made = chain(ticks=chain_ticks()[:0])
    assert made.as_of_us == 0
    assert [row.call for row in made.rows] == [None] * len(STRIKES)


def test_table_marks_the_money_and_shows_percent() -> None:
    text = text_of(chain())
    assert "→ 24,000" in text
    assert "12.50" in text
    assert text.count("→") == 1


def test_json_has_null_for_what_is_missing() -> None:
    value = msgspec.json.decode(msgspec.json.encode(chain()))
    assert value["rows"][0]["call"]["bid"] is None
    assert value["rows"][0]["call"]["implied_vol"] == 0.125
    assert value["expiry"] == "2026-11-26"
