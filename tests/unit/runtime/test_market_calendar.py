from __future__ import annotations

from datetime import date

import pytest

from shared.errors import SettingsError
from shared.market.calendar import packaged_calendar
from shared.market.instruments import HEADER, parse
from shared.runtime.market_calendar import MarketSettings, calendar_of

SATURDAY = """
[sources.desk]
title = "the desk, by telephone"
read_on = 2026-11-06
confidence = "medium"

[[days]]
on = 2026-12-05
segments = ["NFO"]
name = "drill"
kind = "special"
phases = [["open", 09:15:00, 10:00:00]]
source = "desk"

[[expiries]]
segments = ["NFO"]
valid_from = 2026-12-01
at = 15:00:00
source = "desk"
"""
ROW = b"14866434,58072,NIFTY26DECFUT,NIFTY,0.0,2026-12-29,0.0,0.1,65,FUT,NFO-FUT,NFO\n"


@pytest.fixture
def told(tmp_path) -> MarketSettings:
    file = tmp_path / "calendar.toml"
    file.write_text(SATURDAY)
    return MarketSettings(calendar_file=str(file))


def test_without_a_file_the_packaged_calendar_is_in_force() -> None:
    assert calendar_of(MarketSettings()) is packaged_calendar()


def test_rows_of_the_file_win_over_the_packaged_ones(told) -> None:
    assert calendar_of(told).trading_day("NFO", date(2026, 12, 5))
    assert not packaged_calendar().trading_day("NFO", date(2026, 12, 5))


def test_contracts_expire_by_the_calendar_in_force(told) -> None:
    dump = HEADER.encode() + b"\n" + ROW
    packaged, ours = parse(dump), parse(dump, calendar_of(told))
    assert int(ours.records["expiry_ns"][0]) < int(packaged.records["expiry_ns"][0])


@pytest.mark.parametrize("text", [None, "[[days]]\non = 5\n"])
def test_file_that_is_not_there_or_malformed_is_refused(tmp_path, text) -> None:
    file = tmp_path / "calendar.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError):
        calendar_of(MarketSettings(calendar_file=str(file)))
