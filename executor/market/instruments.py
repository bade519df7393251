"""What bounds an order of each published instrument."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import numpy as np

from executor.rules.freeze import freeze_quantity
from executor.rules.guard import Instrument
from shared.errors import MessageError, StreamError
from shared.runtime.logs import Log
from shared.wire.decimals import PAISE_PER_RUPEE

#: MCX counts quantities in lots, so a lot says nothing about them.
#: Source: kite.trade/docs/connect/v3/orders (read 2026-11).
_COUNTED_IN_LOTS = "MCX"
#: Instruments listed without letting anybody else work: about a millisecond.
_ROWS_AT_ONCE: Final = 1_000

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
        self._listed = _NOTHING

    async def refresh(self) -> None:
        """Read the instruments again where a newer version is published.

        Raises:
            StreamError: the Redis of ticks is away.
        """
        try:
            if await self._published_version() == self._version:
                return
            version, records = await self._read()
        except MessageError:
            # Published by another release: better unjudged than judged by a wrong field.
            self._version, self._listed = 0, _NOTHING
            return
        self._listed = await _list(records)
        self._version = version

    async def try_refresh(self) -> None:
        """Refresh; where the Redis of ticks is away go on with what is known."""
        try:
            await self.refresh()
        except StreamError as error:
            self._log.warning("instruments.not_refreshed", error=str(error))

    def find(self, exchange: str, tradingsymbol: str) -> Instrument | None:
        """Return what is known of an instrument, or None."""
        return self._listed.find(exchange, tradingsymbol)


class _Listed:
    """One version's records, where each is, and those that were asked for."""

    def __init__(self, records: Records | None, rows: dict[tuple[bytes, bytes], int]) -> None:
        self._records = records
        self._rows = rows
        self._found: dict[tuple[str, str], Instrument] = {}

    def find(self, exchange: str, tradingsymbol: str) -> Instrument | None:
        name = exchange, tradingsymbol
        found = self._found.get(name)
        if found is None and self._records is not None:
            row = self._rows.get((exchange.encode(), tradingsymbol.encode()))
            if row is None:
                return None
            facts = (self._records[row][field].item() for field in _FACTS)
            found = self._found[name] = _instrument(exchange, *facts)
        return found


_NOTHING: Final = _Listed(None, {})


async def _list(records: Records) -> _Listed:
    """Find out where each instrument is, a part at a time: an order does not wait for a dump."""
    rows: dict[tuple[bytes, bytes], int] = {}
    for start in range(0, len(records), _ROWS_AT_ONCE):
        part = records[start : start + _ROWS_AT_ONCE]
        names = zip(part["exchange"].tolist(), part["tradingsymbol"].tolist(), strict=True)
        rows.update(zip(names, range(start, start + len(part)), strict=True))
        await asyncio.sleep(0)
    return _Listed(records, rows)


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
