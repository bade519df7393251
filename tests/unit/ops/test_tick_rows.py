"""Ticks as text and as JSON."""

from __future__ import annotations

import msgspec
import pytest

from shared.ops import tick_rows
from shared.wire.ticks import TICK
from tests.support.option_chain import NIFTY, RECEIVED_AT_NS, chain_ticks, tick


@pytest.mark.parametrize("mode", tick_rows.COLUMNS)
def test_line_stands_under_its_heading(mode: str) -> None:
    record = chain_ticks()[0]
    cells = tick_rows.line(record, "NIFTY", mode).split()
    assert cells[:3] == ["21:30:00.123456", "NIFTY", "100.00"]
    assert cells[-1] == "OK"
    heading = tick_rows.heading(mode)
    assert tick_rows.line(record, "NIFTY", mode).rindex("OK") == heading.rindex("status")


def test_line_without_a_symbol_shows_the_token() -> None:
    assert f" {NIFTY} " in tick_rows.line(tick(NIFTY, 24010.0)[0], "", "ltp")


def test_missing_numbers_are_dashes_in_text_and_null_in_json() -> None:
    record = tick(NIFTY, 24010.0)[0]
    assert "-" in tick_rows.line(record, "NIFTY 50", "greeks").split()
    value = msgspec.json.decode(msgspec.json.encode(tick_rows.as_json(record, "", "greeks")))
    assert value["implied_vol"] is None


def test_json_of_full_mode_has_every_field_of_the_layout() -> None:
    value = tick_rows.as_json(chain_ticks()[0], "X", "full")
    names = {field.name for field in TICK.fields}
    assert set(value) == names - {"received_at_ns"} | {"received_at_us", "tradingsymbol"}
    assert value["received_at_us"] == RECEIVED_AT_NS // 1000
    assert len(value["bid_price"]) == 5


def test_json_of_a_short_float_has_no_noise() -> None:
    assert tick_rows.as_json(chain_ticks()[0], "X", "greeks")["delta"] == 0.1


def test_rows_of_named_tokens_only() -> None:
    records = chain_ticks()
    token = int(records[3]["instrument_token"])
    assert tick_rows.rows_of(records, [token])["instrument_token"].tolist() == [token]
    assert len(tick_rows.rows_of(records, [])) == len(records)


def test_date_is_that_of_india() -> None:
    assert tick_rows.date_number(1_764_012_600_000_000_000) == 20251125


def test_status_of_a_newer_writer_is_its_number() -> None:
    assert tick_rows.status_name(0) == "OK"
    assert tick_rows.status_name(99) == "99"
