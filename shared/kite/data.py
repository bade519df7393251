"""Market data over REST: the instruments dump, quotes, candles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote as percent

import msgspec

from shared.errors import KiteUnavailable
from shared.kite import translate
from shared.kite.limits import LTP_NAMES_MAX, QUOTE_NAMES_MAX
from shared.kite.rest import KiteRest, Request


@dataclass(frozen=True, slots=True)
class Candles:
    """Which candles: `begin` and `end` as "YYYY-MM-DD HH:MM:SS" in IST, both inclusive."""

    instrument_token: int
    interval: str
    begin: str
    end: str
    continuous: bool = False
    oi: bool = False


class KiteData:
    """Reads of one account's data plan; all raise as `translate.read` does."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def instruments(self, exchange: str | None = None) -> bytes:
        """Return the CSV of every instrument, or of one exchange; regenerated once a day."""
        path = f"/instruments/{percent(exchange, safe='')}" if exchange else "/instruments"
        timeout_s = self._rest.settings.download_timeout_s
        request = Request("GET", path, changes=False, timeout_s=timeout_s)
        return translate.read_csv(request, await self._rest.call(request))

    async def quote(self, names: Sequence[str]) -> dict[str, Any]:
        """Return full quotes by name ("NFO:NIFTY26AUGFUT"); names without data are absent."""
        return await self._by_name("/quote", names, QUOTE_NAMES_MAX)

    async def ohlc(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the day's prices by name; names without data are absent."""
        return await self._by_name("/quote/ohlc", names, LTP_NAMES_MAX)

    async def ltp(self, names: Sequence[str]) -> dict[str, Any]:
        """Return last prices by name; names without data are absent."""
        return await self._by_name("/quote/ltp", names, LTP_NAMES_MAX)

    async def candles(self, wanted: Candles) -> list[list[Any]]:
        """Return rows of [stamp, open, high, low, close, volume] and oi where asked for."""
        path = f"/instruments/historical/{wanted.instrument_token}/{percent(wanted.interval)}"
        query = (
            ("from", wanted.begin),
            ("to", wanted.end),
            ("interval", wanted.interval),
            ("continuous", str(int(wanted.continuous))),
            ("oi", str(int(wanted.oi))),
        )
        found = await self._mapping(Request("GET", path, query=query, changes=False))
        return list(found.get("candles") or ())

    async def _by_name(self, path: str, names: Sequence[str], names_max: int) -> dict[str, Any]:
        if not 0 < len(names) <= names_max:
            raise ValueError(f"{path} takes 1 to {names_max} names, not {len(names)}")
        query = tuple(("i", name) for name in names)
        return await self._mapping(Request("GET", path, query=query, changes=False))

    async def _mapping(self, request: Request) -> dict[str, Any]:
        body = translate.read(request, await self._rest.call(request))
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise KiteUnavailable(f"{request.name}: data is not an object") from error
