"""Instruments, shards, layouts, how the pipeline does, whose key it is."""

from __future__ import annotations

import asyncio

from publisher.api.errors import forbidden
from publisher.api.listing import InstrumentsQuery, find, view
from publisher.api.pagination import cut, number_of
from publisher.api.route import Answer, Call, Nothing, parameters
from publisher.api.shapes import Many, Me, One, Shards
from publisher.api.vitals import VitalSigns
from shared.clock import Clock
from shared.streams import published
from shared.streams.client import Connection

_NS_PER_US = 1_000


class Market:
    """What is published of the market, for any key that may read ticks."""

    def __init__(
        self,
        ticks: Connection,
        vitals: VitalSigns,
        accounts: tuple[str, ...],
        clock: Clock,
        *,
        has_journal: bool,
    ) -> None:
        self._has_journal = has_journal
        self._ticks = ticks
        self._vitals = vitals
        self._accounts = accounts
        self._clock = clock
        self._looking = asyncio.Lock()
        self._version = 0
        self._records: published.Records | None = None

    async def me(self, call: Call) -> Answer:
        """Say whose key it is."""
        parameters(call, Nothing)
        who = call.principal
        me = Me(
            name=who.name,
            scopes=sorted(who.scopes),
            reads_accounts=[each for each in self._accounts if who.may_read_orders(each)],
            trades_accounts=[each for each in self._accounts if who.may_trade(each)],
            has_journal=self._has_journal,
            server_time_us=self._clock.now_ns() // _NS_PER_US,
        )
        return Answer(body=One(data=me))

    async def instruments(self, call: Call) -> Answer:
        """List published instruments by token."""
        query = parameters(call, InstrumentsQuery)
        _check(call)
        after = number_of("instruments", query.cursor)
        rows = find(await self._listed(), query, after_token=-1 if after is None else after)
        page, following = cut(
            list(rows), query.limit, "instruments", lambda row: int(row["instrument_token"])
        )
        headers = {"X-Instruments-Version": str(self._version)}
        return Answer(body=Many(data=list(map(view, page)), next=following), headers=headers)

    async def shards(self, call: Call) -> Answer:
        """Return the shard map; version 0 where none is published."""
        parameters(call, Nothing)
        _check(call)
        found = await published.get_shard_map(self._ticks)
        told = Shards(version=0, shards=1, underlyings={})
        if found is not None:
            told = Shards(version=found.version, shards=found.shards, underlyings=found.underlyings)
        return Answer(body=One(data=told))

    async def layouts(self, call: Call) -> Answer:
        """Return the layouts of binary records by name."""
        parameters(call, Nothing)
        _check(call)
        return Answer(body=One(data=await published.get_layouts(self._ticks)))

    async def vitals(self, call: Call) -> Answer:
        """Say how the pipeline does."""
        parameters(call, Nothing)
        _check(call)
        return Answer(body=One(data=self._vitals.newest))

    async def unknown(self, symbols: list[str]) -> list[str]:
        """Return those of these `EXCHANGE:TRADINGSYMBOL` that are not published.

        Raises:
            StreamError: Redis is away.
        """
        records = await self._listed()
        listed = {
            (exchange, symbol)
            for exchange, symbol in zip(
                records["exchange"].tolist(), records["tradingsymbol"].tolist(), strict=True
            )
        }
        wanted = {each: tuple(each.encode().split(b":", 1)) for each in symbols}
        return [each for each in symbols if wanted[each] not in listed]

    async def _listed(self) -> published.Records:
        async with self._looking:
            version = await published.get_instruments_version(self._ticks)
            if self._records is None or version != self._version:
                self._version, self._records = await published.get_instruments(self._ticks)
            return self._records


def _check(call: Call) -> None:
    if not call.principal.may_read_ticks:
        raise forbidden("ticks")
