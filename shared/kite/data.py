"""Market data over REST: the instruments dump, quotes, candles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from shared.errors import KiteUnavailable
from shared.kite import reads, translate
from shared.kite.limits import LTP_NAMES_MAX, QUOTE_NAMES_MAX
from shared.kite.reads import Candles
from shared.kite.rest import KiteRest, Request


class KiteData:
    """Reads of one account's data plan; all raise as `translate.read` does."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def instruments(self, exchange: str | None = None) -> bytes:
        """Return the CSV of every instrument, or of one exchange; regenerated once a day."""
        request = reads.instruments(exchange, self._rest.settings.download_timeout_s)
        return translate.read_csv(request, await self._rest.call(request))

    async def quote(self, names: Sequence[str]) -> dict[str, Any]:
        """Return full quotes by name ("NFO:NIFTY26AUGFUT"); names without data are absent."""
        return await self._by_name(reads.quote, names, QUOTE_NAMES_MAX)

    async def ohlc(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the day's prices by name; names without data are absent."""
        return await self._by_name(reads.ohlc, names, LTP_NAMES_MAX)

    async def ltp(self, names: Sequence[str]) -> dict[str, Any]:
        """Return last prices by name; names without data are absent."""
        return await self._by_name(reads.ltp, names, LTP_NAMES_MAX)

    async def candles(self, wanted: Candles) -> list[list[Any]]:
        """Return rows of [stamp, open, high, low, close, volume] and oi where asked for."""
        found = await self._mapping(reads.candles(wanted))
        return list(found.get("candles") or ())

    async def _by_name(
        self, asking: Callable[[Sequence[str]], Request], names: Sequence[str], names_max: int
    ) -> dict[str, Any]:
        request = asking(names)
        if not 0 < len(names) <= names_max:
            raise ValueError(f"{request.path} takes 1 to {names_max} names, not {len(names)}")
        return await self._mapping(request)

    async def _mapping(self, request: Request) -> dict[str, Any]:
        body = translate.read(request, await self._rest.call(request))
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise KiteUnavailable(f"{request.name}: data is not an object") from error
