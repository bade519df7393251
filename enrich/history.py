"""Candles through the query stream into their tables, then Greeks; only what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from enrich.history_greeks import Option, References, parse_stamp_s, price
from enrich.history_plan import chunks, final_until_s, gaps, india_text, windows
from enrich.parameters import Parameters
from shared.clock import Clock
from shared.errors import LocalError, MessageError
from shared.store.candles import CANDLE_DTYPE, CandleTable, Range, SeriesName
from shared.wire.queries import CandlesOf, Reply

#: Asks the executor; None where nobody answered.
Ask = Callable[[CandlesOf], Awaitable[Reply | None]]

#: Requests on their way at a time: Kite answers three a second.
IN_FLIGHT_MAX: Final = 3
#: Tries of one request before its range is given up.
ATTEMPTS_MAX: Final = 6
_AGAIN_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Refusals that asking again may end.
_PASSING: Final = frozenset({"busy", "rate_limited", "deadline_passed", "broker_unavailable"})
_EMPTY: Final = np.zeros(0, CANDLE_DTYPE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One series with the token under which Kite knows its contract today."""

    name: SeriesName
    token: int
    option: Option | None = None
    future: SeriesName | None = None
    underlying: SeriesName | None = None


class Chunk(NamedTuple):
    """One request."""

    wanted: Wanted
    series: int
    span: Range


@dataclass(slots=True)
class Told:
    """How far it is; `failures` says why by series, `total` counts requests and pricings."""

    now: str = "fetching"
    total: int = 0
    done: int = 0
    requests: int = 0
    candles: int = 0
    priced: int = 0
    solved: int = 0
    failures: dict[str, str] = field(default_factory=dict)


class Backfill:
    """Fetches and prices; started again after any end it goes on where it was."""

    def __init__(
        self, ask: Ask, table: CandleTable, clock: Clock, parameters: Parameters | None
    ) -> None:
        """Price with `parameters`; None leaves candles without Greeks."""
        self._ask = ask
        self._table = table
        self._clock = clock
        self._parameters = parameters
        self._series: dict[SeriesName, int] = {}
        self.told = Told()

    async def run(
        self, wanted: Sequence[Wanted], span: Range, show: Callable[[Told], None]
    ) -> Told:
        """Bring every series up to date within `span`, then its Greeks.

        Raises:
            LocalError: the session is dead: nothing more can be fetched today.
            StoreError: PostgreSQL is away; what was fetched is kept.
            StreamError: Redis is away.
        """
        missing = [chunk for each in wanted for chunk in await self._missing(each, span)]
        options = [each for each in wanted if each.option is not None and self._parameters]
        self.told.total = len(missing) + len(options)
        show(self.told)
        waiting = iter(missing)
        async with asyncio.TaskGroup() as group:
            for number in range(min(IN_FLIGHT_MAX, len(missing))):
                group.create_task(self._fetch_all(waiting, show), name=f"fetch {number}")
        if options:
            self.told.now = "pricing"
            show(self.told)
        for each in options:
            await self._price(each, span)
            self.told.done += 1
            show(self.told)
        return self.told

    async def _missing(self, wanted: Wanted, span: Range) -> list[Chunk]:
        series = self._series[wanted.name] = await self._table.find(wanted.name)
        now_s = self._clock.now_ns() // 1_000_000_000
        asked = Range(span.from_s, min(span.until_s, now_s + 1))
        found = gaps(asked, await self._table.covered(series))
        return [Chunk(wanted, series, part) for part in chunks(found, wanted.name.interval)]

    async def _fetch_all(self, waiting: Any, show: Callable[[Told], None]) -> None:
        for chunk in waiting:
            name = chunk.wanted.name.tradingsymbol
            if name not in self.told.failures:
                reason = await self._fetch(chunk)
                if reason:
                    self.told.failures[name] = reason
            self.told.done += 1
            show(self.told)

    async def _fetch(self, chunk: Chunk) -> str:
        """Fetch one range; return why it could not be, "" where it was."""
        reason = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(_AGAIN_S[attempt - 1])
            asked_s = self._clock.now_ns() // 1_000_000_000
            reply = await self._ask(_query(chunk))
            self.told.requests += 1
            if reply is None:
                reason = "nobody answers: does the executor run?"
                continue
            if reply.ok:
                return await self._take(chunk, reply, asked_s)
            error = reply.error
            assert error is not None, "a reply that is not ok has an error"
            if error.code == "auth_required":
                raise LocalError(f"the session of {reply.account} is dead: log in, start again")
            reason = f"{error.code}: {error.sentence}"
            if error.code not in _PASSING:
                break
        return reason

    async def _take(self, chunk: Chunk, reply: Reply, asked_s: int) -> str:
        try:
            candles = candles_of(reply.data, chunk.span)
        except MessageError as error:
            return str(error)
        # The moment of asking, not of the answer: a candle grew until then at least.
        as_of_s = min(asked_s, reply.as_of_us // 1_000_000)
        until_s = min(chunk.span.until_s, final_until_s(as_of_s, chunk.wanted.name.interval))
        final = Range(chunk.span.from_s, until_s) if until_s > chunk.span.from_s else None
        at_us = self._clock.now_ns() // 1000
        await self._table.put(chunk.series, candles, final=final, fetched_us=at_us)
        self.told.candles += len(candles)
        return ""

    async def _price(self, wanted: Wanted, span: Range) -> None:
        assert self._parameters is not None
        assert wanted.option is not None
        for day, part in windows(self._parameters.changes, span):
            await self._price_part(wanted, part, self._parameters.of(wanted.option.underlying, day))

    async def _price_part(self, wanted: Wanted, span: Range, parameters: Parameters) -> None:
        """Price what is not priced yet under the parameters that held then."""
        assert wanted.option is not None
        series = self._series[wanted.name]
        candles = await self._table.unpriced(series, span, parameters.id)
        if not len(candles):
            return
        part = Range(int(candles["begins_s"][0]), int(candles["begins_s"][-1]) + 1)
        references = References(
            await self._read(wanted.future, part), await self._read(wanted.underlying, part)
        )
        interval = wanted.name.interval
        rows = price(candles, wanted.option, references, interval, parameters)
        await self._table.put_greeks(series, rows)
        self.told.priced += len(rows)
        self.told.solved += int((rows["status"] == 0).sum())

    async def _read(self, name: SeriesName | None, part: Range) -> np.ndarray:
        if name is None:
            return _EMPTY
        return await self._table.read(await self._table.find(name), part)


def candles_of(data: bytes, span: Range) -> np.ndarray:
    """Return the candles of an answer of Kite's that begin within `span`, of CANDLE_DTYPE.

    Raises:
        MessageError: they are no candles, or hold what no candle can.
    """
    try:
        found: Mapping[str, Any] = msgspec.json.decode(data)
        rows = [
            (parse_stamp_s(row[0]), *row[1:6], row[6] if len(row) > 6 else -1)  # noqa: PLR2004
            for row in found["candles"]
        ]
        candles = np.array(rows, dtype=CANDLE_DTYPE)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise MessageError(f"the answer holds no candles: {error}") from error
    _check(candles)
    inside = (candles["begins_s"] >= span.from_s) & (candles["begins_s"] < span.until_s)
    # One a moment, the last one told; as the table's key wants it.
    _, last = np.unique(candles["begins_s"][inside][::-1], return_index=True)
    return candles[inside][::-1][last]


def _check(candles: np.ndarray) -> None:
    prices = np.stack([candles[name] for name in ("open", "high", "low", "close")])
    sane = np.isfinite(prices).all(axis=0) & (prices >= 0.0).all(axis=0)
    sane &= (candles["high"] >= prices.max(axis=0)) & (candles["low"] <= prices.min(axis=0))
    sane &= candles["volume"] >= 0
    if not sane.all():
        worst = candles[~sane][0].item()
        raise MessageError(
            f"candle must have low <= open, close <= high, no negative: it is {worst}"
        )


def _query(chunk: Chunk) -> CandlesOf:
    name = chunk.wanted.name
    return CandlesOf(
        query_id="-",
        client="-",
        instrument_token=chunk.wanted.token,
        interval=name.interval,  # type: ignore[arg-type]  # checked where it was typed
        begin=india_text(chunk.span.from_s),
        end=india_text(chunk.span.until_s - 1),
        continuous=name.continuous,
        oi=True,
    )
