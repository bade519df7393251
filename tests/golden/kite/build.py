"""Write the golden frames: `python -m tests.golden.kite.build`; read the difference before keeping it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.support import kite_frames as build

HERE = Path(__file__).parent

MOCKS = "values of zerodha/kiteconnect-mocks {} (HEAD c7a8123, 2026-03-25), bytes built here"
SCRIPT = "values of a frame in the tests of zerodha/kiteconnectjs (7951289), bytes built here"
OWN = (
    "made here from kite.trade/docs/connect/v3/websocket (read 2026-11); no official sample exists"
)

INFY = 408065
DAY = (156915, 157500, 156105, 156780)
INFY_DAY = {"open": 1569.15, "high": 1575.0, "low": 1561.05, "close": 1567.8}
TATA_MOTORS = 884737
TATA_DAY = (42000, 42090, 39010, 41410)
TATA_DAY_RUPEES = {"open": 420.0, "high": 420.9, "low": 390.1, "close": 414.1}
NIFTY = 256265

BIDS = ((5, 157340, 1), (140, 157300, 2), (2, 157295, 1), (219, 157290, 7), (50, 157285, 1))
ASKS = ((172, 157370, 3), (44, 157375, 3), (302, 157385, 3), (141, 157390, 2), (724, 157395, 5))

INFY_FULL = build.full(
    build.quote(INFY, 157370, 7, 157037, 1192471, 256443, 363009, *DAY),
    (1625461887, 0, 0, 0, 1625461887),
    BIDS,
    ASKS,
)
INFY_QUOTE = build.quote(INFY, 157315, 1, 157033, 1175986, 256511, 360503, *DAY)
TATA_LTP = build.ltp(TATA_MOTORS, 39295)
TATA_QUOTE_HEAD = build.quote(TATA_MOTORS, 39295, 2, 40307, 22261032, 5617, 0, *TATA_DAY)

FULL_FACTS = {
    "instrument_token": INFY,
    "mode": 3,
    "last_price": 1573.7,
    "last_traded_quantity": 7,
    "average_price": 1570.37,
    "volume_traded": 1192471,
    "total_buy_quantity": 256443,
    "total_sell_quantity": 363009,
    **INFY_DAY,
    "last_trade_time_s": 1625461887,
    "exchange_timestamp_s": 1625461887,
    "oi": 0,
    "oi_day_high": 0,
    "oi_day_low": 0,
    "bid_quantity": [5, 140, 2, 219, 50],
    "bid_price": [1573.4, 1573.0, 1572.95, 1572.9, 1572.85],
    "bid_orders": [1, 2, 1, 7, 1],
    "ask_quantity": [172, 44, 302, 141, 724],
    "ask_price": [1573.7, 1573.75, 1573.85, 1573.9, 1573.95],
    "ask_orders": [3, 3, 3, 2, 5],
}
QUOTE_FACTS = {
    "instrument_token": INFY,
    "mode": 2,
    "last_price": 1573.15,
    "last_traded_quantity": 1,
    "average_price": 1570.33,
    "volume_traded": 1175986,
    "total_buy_quantity": 256511,
    "total_sell_quantity": 360503,
    **INFY_DAY,
    "exchange_timestamp_s": 0,
    "bid_price": [None] * 5,
}
TATA_LTP_FACTS = {
    "instrument_token": TATA_MOTORS,
    "mode": 1,
    "last_price": 392.95,
    "average_price": None,
    "open": None,
}
TATA_QUOTE_FACTS = {
    "instrument_token": TATA_MOTORS,
    "mode": 2,
    "last_price": 392.95,
    "last_traded_quantity": 2,
    "average_price": 403.07,
    "volume_traded": 22261032,
    "total_buy_quantity": 5617,
    "total_sell_quantity": 0,
    **TATA_DAY_RUPEES,
}
TATA_FULL_FACTS = {
    **TATA_QUOTE_FACTS,
    "mode": 3,
    "last_trade_time_s": 1655375264,
    "exchange_timestamp_s": 1655378328,
    "bid_quantity": [5617, 0, 0, 0, 0],
    "bid_price": [392.95, None, None, None, None],
    "bid_orders": [30, 0, 0, 0, 0],
    "ask_price": [None] * 5,
}
NIFTY_FACTS = {
    "instrument_token": NIFTY,
    "mode": 2,
    "last_price": 25012.35,
    "high": 25100.0,
    "low": 24900.05,
    "open": 24950.0,
    "close": 24880.15,
    "average_price": None,
    "exchange_timestamp_s": 0,
}
NIFTY_VALUES = (2501235, 2510000, 2490005, 2495000, 2488015, 13220)

Golden = tuple[bytes, list[dict[str, Any]], str]
FRAMES: dict[str, Golden] = {
    "infy_full": (build.frame([INFY_FULL]), [FULL_FACTS], MOCKS.format("ticker_full.json")),
    "infy_quote": (build.frame([INFY_QUOTE]), [QUOTE_FACTS], MOCKS.format("ticker_quote.json")),
    "script_ltp": (build.frame([TATA_LTP]), [TATA_LTP_FACTS], SCRIPT),
    "script_quote": (build.frame([TATA_QUOTE_HEAD]), [TATA_QUOTE_FACTS], SCRIPT),
    "script_full": (
        build.frame(
            [
                build.full(
                    TATA_QUOTE_HEAD, (1655375264, 0, 0, 0, 1655378328), [(5617, 39295, 30)], []
                )
            ]
        ),
        [TATA_FULL_FACTS],
        SCRIPT,
    ),
    "index_quote": (build.frame([build.index_quote(NIFTY, *NIFTY_VALUES)]), [NIFTY_FACTS], OWN),
    "index_full": (
        build.frame([build.index_full(NIFTY, *NIFTY_VALUES, 1786000500)]),
        [{**NIFTY_FACTS, "mode": 3, "exchange_timestamp_s": 1786000500}],
        OWN,
    ),
    "currencies": (
        build.frame([build.ltp(1000 * 256 + 3, 839575000), build.ltp(1000 * 256 + 6, 839575)]),
        [
            {"instrument_token": 256003, "mode": 1, "last_price": 83.9575},
            {"instrument_token": 256006, "mode": 1, "last_price": 83.9575},
        ],
        OWN,
    ),
    "commodity": (
        build.frame([build.ltp(77 * 256 + 12, 61_234_500)]),
        [{"instrument_token": 19724, "mode": 1, "last_price": 6123.45}],
        OWN,
    ),
    "mixed": (
        build.frame(
            [INFY_FULL, bytes(60), build.index_quote(NIFTY, *NIFTY_VALUES), TATA_LTP, INFY_QUOTE]
        ),
        [FULL_FACTS, NIFTY_FACTS, TATA_LTP_FACTS, QUOTE_FACTS],
        OWN + "; its second packet has an unknown length",
    ),
    "heartbeat": (b"\0", [], OWN),
}


def main() -> None:
    """Write every frame, its expected ticks and what is known of its origin."""
    metadata = {}
    for name, (payload, ticks, origin) in FRAMES.items():
        (HERE / f"{name}.bin").write_bytes(payload)
        (HERE / f"{name}.json").write_text(json.dumps(ticks, indent=1) + "\n")
        metadata[name] = {
            "origin": origin,
            "licence": "MIT, as this project; facts of a protocol",
            "bytes": len(payload),
            "sha256": hashlib.sha256(payload).hexdigest(),
        }
    (HERE / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n")


if __name__ == "__main__":
    main()
