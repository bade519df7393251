"""The same bytes through the official parser and through ours."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kiteconnect.ticker import KiteTicker

from shared.kite.codec.decode import decode_frame
from shared.wire.ticks import Mode
from tests.support.kite_frames import frame
from tests.support.kite_strategies import frames, odd_packets, packets

MODES = {"ltp": Mode.LTP, "quote": Mode.QUOTE, "full": Mode.FULL}
SAME_NAME = ("last_traded_quantity", "volume_traded", "total_buy_quantity", "total_sell_quantity")
GOLDEN = Path(__file__).parents[2] / "golden" / "kite"
OFFICIAL = KiteTicker("key", "token")


def seconds(stamp: datetime | None) -> float:
    assert stamp is not None
    return stamp.timestamp()


def assert_price(ours: Any, official: float | None) -> None:
    if official is None:
        assert np.isnan(ours)
    else:
        assert float(ours) == official


def assert_side(ours: Any, side: str, official: list[dict[str, Any]] | None) -> None:
    for level in range(5):
        wanted = official[level] if official else {"quantity": 0, "price": 0.0, "orders": 0}
        assert ours[f"{side}_quantity"][level] == wanted["quantity"]
        assert ours[f"{side}_orders"][level] == wanted["orders"]
        absent = not any(wanted.values())
        assert_price(ours[f"{side}_price"][level], None if absent else wanted["price"])


def assert_same(ours: Any, official: dict[str, Any]) -> None:
    assert ours["instrument_token"] == official["instrument_token"]
    assert ours["mode"] == MODES[official["mode"]]
    assert_price(ours["last_price"], official["last_price"])
    assert_price(ours["average_price"], official.get("average_traded_price"))
    day = official.get("ohlc", {})
    for name in ("open", "high", "low", "close"):
        assert_price(ours[name], day.get(name))
    for name in (*SAME_NAME, "oi", "oi_day_high", "oi_day_low"):
        assert ours[name] == official.get(name, 0)
    for ours_name, name in (
        ("exchange_timestamp_s", "exchange_timestamp"),
        ("last_trade_time_s", "last_trade_time"),
    ):
        assert ours[ours_name] == (seconds(official[name]) if name in official else 0)
    depth = official.get("depth", {})
    assert_side(ours, "bid", depth.get("buy"))
    assert_side(ours, "ask", depth.get("sell"))


@given(frames)
@settings(max_examples=300, deadline=None)
def test_decode_frame_of_any_whole_frame_equals_official_ticks(payload: bytes) -> None:
    official = OFFICIAL._parse_binary(payload)
    ours = decode_frame(payload)
    assert len(ours) == len(official)
    for row, tick in zip(ours, official, strict=True):
        assert_same(row, tick)


@given(st.lists(packets | odd_packets, max_size=8))
@settings(max_examples=150, deadline=None)
def test_decode_frame_with_unknown_lengths_skips_what_official_skips(bodies: list[bytes]) -> None:
    payload = frame(bodies)
    official = OFFICIAL._parse_binary(payload)
    ours = decode_frame(payload)
    assert [tick["instrument_token"] for tick in official] == ours["instrument_token"].tolist()
    for row, tick in zip(ours, official, strict=True):
        assert_same(row, tick)


def test_decode_frame_of_heartbeat_equals_official_silence() -> None:
    assert OFFICIAL._parse_binary(b"\0") == []
    assert len(decode_frame(b"\0")) == 0


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_decode_frame_of_golden_frame_equals_official_ticks(path: Path) -> None:
    payload = path.read_bytes()
    if path.stem == "mixed":  # holds a packet of unknown length, which both leave out
        assert len(decode_frame(payload)) == 4
    for row, tick in zip(decode_frame(payload), OFFICIAL._parse_binary(payload), strict=True):
        assert_same(row, tick)
