"""What an account holds and may spend, over REST."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

from shared.errors import KiteUnavailable
from shared.kite import reads, translate
from shared.kite.rest import KiteRest, Request

_T = TypeVar("_T")


class KitePortfolio:
    """Reads of one account; all raise as `translate.read` does.

    An empty answer proves nothing unless the session is known to live: ask for the profile first.
    """

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def positions(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of `net` and `day`; closed positions stay with quantity 0."""
        return await self._read(reads.positions(), dict[str, list[dict[str, Any]]])

    async def holdings(self) -> list[dict[str, Any]]:
        """Return what lies in the demat account."""
        return await self._read(reads.holdings(), list[dict[str, Any]])

    async def margins(
        self, segment: Literal["equity", "commodity"] | None = None
    ) -> dict[str, Any]:
        """Return cash and margins of all segments, or of one."""
        return await self._read(reads.margins(segment or ""), dict[str, Any])

    async def _read(self, request: Request, kind: type[_T]) -> _T:
        body = translate.read(request, await self._rest.call(request))
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise KiteUnavailable(f"{request.name}: data has an unexpected shape") from error
