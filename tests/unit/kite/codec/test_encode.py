from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.kite.codec.decode import decode_frame
from shared.kite.codec.encode import frame, packet
from shared.wire.ticks import Mode

SHARE, INDEX, CURRENCY = 408_065, 256_265, 412_675
LEVELS = {
    "buy": [{"price": 1_449.95, "quantity": 10, "orders": 2}],
    "sell": [{"price": 1_450.05, "quantity": 20, "orders": 3}],
}


def quote(token: int = SHARE, **changed: Any) -> dict[str, Any]:
    return {
        "instrument_token": token,
        "timestamp": "2026-09-22 10:00:01",
        "last_trade_time": "2026-09-22 10:00:00",
        "last_price": 1_450.0,
        "last_quantity": 5,
        "average_price": 1_448.37,
        "volume": 1_000,
        "buy_quantity": 300,
        "sell_quantity": 400,
        "ohlc": {"open": 1_440.0, "high": 1_455.5, "low": 1_435.25, "close": 1_441.9},
        "oi": 7,
        "oi_day_high": 8,
        "oi_day_low": 6,
        "depth": LEVELS,
        **changed,
    }


def decoded(*quotes: dict[str, Any]) -> np.ndarray:
    return decode_frame(frame([packet(each) for each in quotes]), 1)


def test_packet_of_a_quote_decodes_to_what_the_quote_says() -> None:
    tick = decoded(quote())[0]
    assert tick["mode"] == Mode.FULL
    for name in ("last_price", "average_price", "oi", "oi_day_high", "oi_day_low"):
        assert tick[name] == quote()[name]
    for name in ("open", "high", "low", "close"):
        assert tick[name] == quote()["ohlc"][name]
    assert (tick["last_traded_quantity"], tick["volume_traded"]) == (5, 1_000)
    assert (tick["total_buy_quantity"], tick["total_sell_quantity"]) == (300, 400)
    assert tick["exchange_timestamp_s"] - tick["last_trade_time_s"] == 1
    assert tick["exchange_timestamp_s"] == 1_790_051_401
    assert (tick["bid_price"][0], tick["bid_quantity"][0], tick["bid_orders"][0]) == (
        1449.95,
        10,
        2,
    )
    assert (tick["ask_price"][0], tick["ask_quantity"][0], tick["ask_orders"][0]) == (
        1450.05,
        20,
        3,
    )
    assert np.isnan(tick["bid_price"][1:]).all()


def test_index_has_a_packet_of_its_own_kind() -> None:
    day = {"open": 24_400.0, "high": 24_500.0, "low": 24_300.0, "close": 24_450.0}
    body = packet(
        {
            "instrument_token": INDEX,
            "timestamp": "2026-09-22 10:00:01",
            "last_price": 24_321.05,
            "ohlc": day,
        }
    )
    assert len(body) == 32
    tick = decode_frame(frame([body]))[0]
    assert tick["last_price"] == 24_321.05
    assert {name: tick[name] for name in day} == day


def test_currency_keeps_its_seven_decimals() -> None:
    day = dict.fromkeys(("open", "high", "low", "close"), 83.07)
    changed = {"last_price": 83.0725001, "average_price": 83.0, "ohlc": day, "depth": None}
    tick = decoded(quote(CURRENCY, **changed))[0]
    assert tick["last_price"] == 83.0725001


def test_what_was_never_traded_has_no_stamp_of_a_trade() -> None:
    tick = decoded(quote(last_trade_time=None, average_price=None, depth={}))[0]
    assert (tick["last_trade_time_s"], tick["average_price"]) == (0, 0.0)
    assert np.isnan(tick["ask_price"]).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"last_price": "much"},
        {"last_price": 1e9},
        {"last_price": -1.0},
        {"ohlc": None},
        {"timestamp": "yesterday"},
        {"volume": 1 << 32},
        {"depth": {"buy": [{"price": 1.0}]}},
        {"depth": {"buy": [{"price": 1.0, "quantity": 1, "orders": 70_000}]}},
    ],
)
def test_quote_that_fits_no_packet_is_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match="quote of 408065"):
        packet(quote(**bad))


def test_quote_without_a_token_is_refused() -> None:
    with pytest.raises(MessageError, match="quote of None"):
        packet({})


@given(paise=st.integers(0, 2**32 - 1), quantity=st.integers(0, 2**32 - 1))
def test_every_price_a_packet_can_say_survives(paise: int, quantity: int) -> None:
    tick = decoded(quote(last_price=paise / 100, volume=quantity))[0]
    assert tick["last_price"] == paise / 100
    assert tick["volume_traded"] == quantity
