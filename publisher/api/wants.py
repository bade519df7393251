"""Subscriptions at the broker: what a key wants beside ingest's own settings."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from publisher.api.archive import Archive
from publisher.api.errors import HttpRefusal, forbidden, invalid, not_found
from publisher.api.market import Market
from publisher.api.pagination import cut, position_of
from publisher.api.route import Answer, Call, Nothing, PageQuery, body_of, parameters
from publisher.api.shapes import Many, One, WantBody, Wanted, WantView
from shared.clock import Clock
from shared.errors import StreamError
from shared.store.wants import WantRow
from shared.streams.client import Connection
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.topics import CONTROL

BY: Final = "publisher"
_NS_PER_US: Final = 1_000
_SOURCE: Final = re.compile(r"[a-z0-9_.-]{1,35}")


class Wants:
    """Each key has wants of its own; what others want of an instrument stays."""

    def __init__(
        self, archive: Archive, market: Market, ticks: Connection, clock: Clock, *, most: int
    ) -> None:
        self._archive = archive
        self._market = market
        self._writer = StreamWriter(ticks, clock)
        self._clock = clock
        self._most = most

    async def listed(self, call: Call) -> Answer:
        """List what the key wants, by symbol."""
        query = parameters(call, PageQuery)
        source = _source(call)
        after = position_of("subscriptions", query.cursor) or ""
        rows = await self._mine(source)
        rows = [row for row in rows if row.symbol > after][: query.limit + 1]
        page, following = cut(rows, query.limit, "subscriptions", lambda row: row.symbol)
        return Answer(body=Many(data=[_view(row) for row in page], next=following))

    async def add(self, call: Call) -> Answer:
        """Want more; where the key wants one already, its terms are replaced."""
        parameters(call, Nothing)
        source = _source(call)
        wanted = body_of(call, WantBody)
        symbols = list(dict.fromkeys(wanted.symbols))
        await self._check(source, symbols)
        now_us = self._now_us()
        rows = [
            WantRow(
                source=source,
                symbol=symbol,
                mode=wanted.mode,
                priority=wanted.priority,
                reason=wanted.reason,
                expires_us=wanted.expires_us,
                changed_us=now_us,
            )
            for symbol in symbols
        ]
        added = await (await self._archive.wants()).put(rows)
        done = Wanted(added=added, changed=len(rows) - added, note=await self._announce(source))
        return Answer(status=201, body=One(data=done))

    async def remove(self, call: Call) -> Answer:
        """Want one no longer."""
        parameters(call, Nothing)
        source = _source(call)
        symbol = call.path["symbol"]
        removed = await (await self._archive.wants()).remove(source, [symbol])
        if not removed:
            raise not_found(f"a subscription to {symbol[:48]} of this key")
        return Answer(body=One(data=Wanted(removed=removed, note=await self._announce(source))))

    async def remove_all(self, call: Call) -> Answer:
        """Want nothing any more."""
        parameters(call, Nothing)
        source = _source(call)
        removed = await (await self._archive.wants()).remove(source)
        note = await self._announce(source) if removed else ""
        return Answer(body=One(data=Wanted(removed=removed, note=note)))

    async def _mine(self, source: str) -> list[WantRow]:
        rows = await (await self._archive.wants()).of(source, now_us=self._now_us())
        return sorted(rows, key=lambda row: row.symbol)

    async def _check(self, source: str, symbols: list[str]) -> None:
        unknown = await self._market.unknown(symbols)
        if unknown:
            raise invalid("symbols", f"not listed: {', '.join(unknown[:8])}")
        held = {row.symbol for row in await self._mine(source)}
        if len(held.union(symbols)) > self._most:
            raise HttpRefusal(
                409, "over_quota", f"a key may want {self._most} instruments", field="symbols"
            )

    async def _announce(self, source: str) -> str:
        """Tell ingest to look again; return why it could not be told, or nothing."""
        changed = Control(kind="wants_changed", subject=source, by=BY, at_us=self._now_us())
        try:
            await self._writer.append([Append(CONTROL, "", codec.encode(changed))])
        except StreamError:
            return "kept, but not announced: ingest notices at its next look"
        return ""

    def _now_us(self) -> int:
        return self._clock.now_ns() // _NS_PER_US


def _source(call: Call) -> str:
    """Return under which name the key's wants are kept.

    A name that the table does not take stands as its digest, so that no two keys share wants.
    """
    if not call.principal.may_want:
        raise forbidden("wants")
    name = call.principal.name
    if not _SOURCE.fullmatch(name):
        name = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"http.{name}"


def _view(row: WantRow) -> WantView:
    return WantView(
        symbol=row.symbol,
        mode=row.mode,  # type: ignore[arg-type]  # the table allows these only
        priority=row.priority,
        reason=row.reason,
        expires_us=row.expires_us,
        changed_us=row.changed_us,
    )
