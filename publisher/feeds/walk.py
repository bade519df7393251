"""Made-up instruments that tick day and night: something to try a client on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.latest import Tokens
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.ticks import TICK_DTYPE, Mode, Status

EXCHANGE: Final = "TEST"
WALKS: Final = 8
#: Far above every token of Kite's.
FIRST_TOKEN: Final = 2**32 - 256
TOKENS: Tokens = np.arange(FIRST_TOKEN, FIRST_TOKEN + WALKS, dtype=np.uint32)
PRICE_FIRST: Final = 1000.0
STEP: Final = 0.05


def listed() -> NDArray[np.void]:
    """Return the instruments: `TEST:WALK1` and so on, underlying `TEST`."""
    instruments = np.zeros(WALKS, INSTRUMENT_DTYPE)
    instruments["instrument_token"] = TOKENS
    instruments["exchange"] = EXCHANGE.encode()
    instruments["tradingsymbol"] = [f"WALK{number}".encode() for number in range(1, WALKS + 1)]
    instruments["underlying"] = EXCHANGE.encode()
    instruments["kind"] = Kind.EQUITY
    return instruments


class Walk:
    """Every instrument goes up or down by one tick or stays, never below one."""

    def __init__(self) -> None:
        self._prices = np.full(WALKS, PRICE_FIRST)
        self._volumes = np.zeros(WALKS, np.uint32)

    def step(self, now_ns: int, chance: Callable[[], float]) -> NDArray[np.void]:
        """Return the next record of each; `chance` gives numbers from 0 to 1."""
        moves = np.array([round(chance() * 2) - 1 for _ in range(WALKS)])
        self._prices = np.maximum(1.0, np.round(self._prices + STEP * moves, 2))
        self._volumes += 1
        records = np.zeros(WALKS, TICK_DTYPE)
        for name in TICK_DTYPE.names or ():
            if TICK_DTYPE[name].base.kind == "f":
                records[name] = np.nan
        records["instrument_token"] = TOKENS
        records["received_at_ns"] = now_ns
        records["exchange_timestamp_s"] = records["last_trade_time_s"] = now_ns // 10**9
        for name in ("last_price", "average_price", "open", "high", "low", "close"):
            records[name] = self._prices
        records["volume_traded"] = self._volumes
        records["last_traded_quantity"] = 1
        records["mode"] = Mode.FULL
        records["status"] = Status.NOT_AN_OPTION
        return records
