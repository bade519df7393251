"""What bounds an order of each published instrument."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from executor.freeze import freeze_quantity
from executor.guard import Instrument
from shared.errors import MessageError, StreamError
from shared.runtime.logs import Log
from shared.wire.decimals import PAISE_PER_RUPEE

#: MCX counts quantities in lots, so a lot says nothing about them.
#: Source: kite.trade/docs/connect/v3/orders (read 2026-11).
_COUNTED_IN_LOTS = "MCX"


Records = np.ndarray[Any, np.dtype[np.void]]


class Instruments:
    """What is published about instruments; one that is not published is not judged."""

    def __init__(
        self,
        *,
        version: Callable[[], Awaitable[int]],
        read: Callable[[], Awaitable[tuple[int, Records]]],
        log: Log,
    ) -> None:
        self._published_version = version
        self._read = read
        self._log = log
        self._version = 0
        self._by_name: dict[tuple[str, str], Instrument] = {}

    async def refresh(self) -> None:
        """Read the instruments again where a newer version is published.

        Raises:
            StreamError: the Redis of ticks is away.
        """
        try:
            if await self._published_version() == self._version:
                return
            self._version, records = await self._read()
        except MessageError:
            # Published by another release: better unjudged than judged by a wrong field.
            self._version, records = 0, None
        self._by_name = {} if records is None else _by_name(records)

    async def try_refresh(self) -> None:
        """Refresh; where the Redis of ticks is away go on with what is known."""
        try:
            await self.refresh()
        except StreamError as error:
            self._log.warning("instruments.not_refreshed", error=str(error))

    def find(self, exchange: str, tradingsymbol: str) -> Instrument | None:
        """Return what is known of an instrument, or None."""
        return self._by_name.get((exchange, tradingsymbol))


def _by_name(records: Records) -> dict[tuple[str, str], Instrument]:
    names = zip(records["exchange"].tolist(), records["tradingsymbol"].tolist(), strict=True)
    facts = zip(*(records[name].tolist() for name in _FACTS), strict=True)
    return {
        (exchange.decode(), symbol.decode()): _instrument(exchange.decode(), *fact)
        for (exchange, symbol), fact in zip(names, facts, strict=True)
    }


_FACTS = ("lot_size", "tick_size", "instrument_token", "shard", "underlying")


def _instrument(
    exchange: str, lot_size: int, tick_size: float, token: int, shard: int, underlying: bytes
) -> Instrument:
    ticks_paise = tick_size * PAISE_PER_RUPEE
    # Currency ticks are a quarter of a paisa, finer than any price an order may name.
    is_whole = abs(ticks_paise - round(ticks_paise)) < 1e-6  # noqa: PLR2004  # rupees are floats there
    is_in_lots = exchange == _COUNTED_IN_LOTS
    return Instrument(
        lot_size=0 if is_in_lots else lot_size,
        tick_size_paise=round(ticks_paise) if is_whole else 0,
        freeze_quantity=freeze_quantity(exchange, underlying.decode()),
        units=max(1, lot_size) if is_in_lots else 1,
        token=token,
        shard=shard,
    )
