"""The official ticker works against the sandbox unmodified."""

import struct
from contextlib import AbstractContextManager

import numpy as np
import pytest
from kiteconnect import KiteConnect, KiteTicker

from deploy.sandbox.market import Market, MarketTerms
from deploy.sandbox.packets import encode, frames
from tests.support.kite_ticker import Driver, python_ticker
from tests.support.sandbox import SandboxInfo

INFY = 408065
FULL_KEYS = {
    "tradable",
    "mode",
    "instrument_token",
    "last_price",
    "last_traded_quantity",
    "average_traded_price",
    "volume_traded",
    "total_buy_quantity",
    "total_sell_quantity",
    "ohlc",
    "change",
    "last_trade_time",
    "oi",
    "oi_day_high",
    "oi_day_low",
    "exchange_timestamp",
    "depth",
}


def ticker(
    sandbox: SandboxInfo, tokens: list[int], access_token: str = ""
) -> AbstractContextManager[Driver]:
    who = sandbox.account
    return python_ticker(sandbox.ws_url, who.api_key, access_token or who.access_token, tokens)


def of_token(line: dict, token: int, mode: str) -> bool:
    return line["kind"] == "ticks" and any(
        tick["instrument_token"] == token and tick["mode"] == mode for tick in line["ticks"]
    )


def test_ticker_subscribes_sets_its_mode_and_receives_ticks_with_an_order_update(
    sandbox: SandboxInfo, kite: KiteConnect
) -> None:
    with ticker(sandbox, [INFY, 256265, 2885 * 256 + 1]) as driver:
        line = driver.until(lambda found: of_token(found, INFY, "full"))
        tick = next(tick for tick in line["ticks"] if tick["instrument_token"] == INFY)
        assert set(tick) == FULL_KEYS
        driver.until(lambda found: of_token(found, 256265, "full"))
        driver.until(lambda found: of_token(found, 2885 * 256 + 1, "quote"))
        order_id = kite.place_order("regular", "NSE", "SBIN", "BUY", 5, "CNC", "LIMIT", price=850)
        update = driver.until(lambda found: found["kind"] == "order")
        assert update["order"]["order_id"] == order_id
        assert update["order"]["status"] == "OPEN"
        assert update["order"]["checksum"] == ""


def test_ticker_left_in_silence_hears_the_heartbeat(sandbox: SandboxInfo) -> None:
    with ticker(sandbox, [1, 2]) as driver:
        driver.until(lambda found: found["kind"] == "connect")
        first = driver.until(lambda found: found["kind"] == "heartbeat")
        assert first


def test_ticker_with_a_dead_token_is_told_403(sandbox: SandboxInfo) -> None:
    with ticker(sandbox, [INFY], "x" * 32) as driver:
        line = driver.until(lambda found: found["kind"] == "error")
        assert "403" in line["reason"]


def test_ticker_cut_off_comes_back_by_itself(sandbox: SandboxInfo, kite: KiteConnect) -> None:
    with ticker(sandbox, [INFY, 256265]) as driver:
        driver.until(lambda found: of_token(found, INFY, "full"))
        sandbox.post("faults", kind="ws_abort")
        driver.until(lambda found: found["kind"] == "close")
        driver.until(lambda found: found["kind"] == "connect")
        driver.until(lambda found: of_token(found, INFY, "full"))


@pytest.mark.parametrize("mode", ["ltp", "quote", "full"])
def test_official_parser_reads_every_kind_of_packet_as_the_columns_say(mode) -> None:
    market = Market(MarketTerms(seed=4, strikes_each_side=2, step_s=0.25), 1_795_000_000)
    market.step(1_795_000_001)
    columns, listing = market.columns, market.listing
    indices = int((listing.kind == 0).sum())
    batches = [
        encode(columns, np.arange(indices), mode, index=True),
        encode(columns, np.arange(indices, listing.token.size), mode, index=False),
    ]
    parser = KiteTicker("key", "token")
    ticks = [tick for frame in frames(batches) for tick in parser._parse_binary(frame)]
    assert [tick["instrument_token"] for tick in ticks] == listing.token.tolist()
    for row, tick in enumerate(ticks):
        index = row < indices
        assert tick["tradable"] is not index
        assert tick["mode"] == mode
        assert tick["last_price"] == columns.last[row] / 100
        if mode == "ltp":
            continue
        assert tick["ohlc"] == {
            name: getattr(columns, name)[row] / 100 for name in ("open", "high", "low", "close")
        }
        if mode == "full":
            assert tick["exchange_timestamp"].timestamp() == columns.timestamp[row]
        if mode == "full" and not index:
            rungs = tick["depth"]["buy"] + tick["depth"]["sell"]
            assert [rung["price"] for rung in rungs] == (columns.depth_price[row] / 100).tolist()
            assert [rung["quantity"] for rung in rungs] == columns.depth_quantity[row].tolist()
            assert tick["volume_traded"] == columns.volume[row]
            assert tick["oi"] == columns.oi[row]


def test_frames_are_never_longer_than_two_hundred_packets() -> None:
    market = Market(MarketTerms(seed=4, strikes_each_side=5, step_s=0.25), 1_795_000_000)
    batch = encode(market.columns, np.arange(300), "full", index=False)
    counts = [struct.unpack_from(">H", frame)[0] for frame in frames([batch])]
    assert counts == [200, 100]
