"""Questions to Kite for last prices: one request for all who wait, in turns of the quote budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from executor.gate import Bar, Gate
from executor.metrics import FAILURES
from executor.reads.turns import Turns
from executor.rules.risk import rupees
from shared.clock import Clock
from shared.errors import (
    KiteError,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    StreamError,
)
from shared.kite.limits import LTP_NAMES_MAX, QUOTE
from shared.resilience.breaker import Breaker
from shared.runtime.logs import get_log
from shared.runtime.supervise import contain

#: Exchange, tradingsymbol.
Name = tuple[str, str]
#: Kite's /quote/ltp, raising KiteError.
Ltp = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]

#: How long a first question waits for others: commands of one burst come milliseconds apart, and
#: whoever misses the request waits a second for the next.
GATHER_S: Final = 0.02
#: Names beyond those of one request wait for the next.
NAMES_MAX: Final = LTP_NAMES_MAX
#: Names in a request that nobody waits for yet: whoever waits does not wait long for theirs.
EXPECTED_MAX: Final = 200
#: How long nothing is asked after Kite refused for want of permission.
REFUSED_S: Final = 300.0
_FORBIDDEN: Final = 403

log = get_log()


class End(StrEnum):
    """How a question ended, for whoever waited."""

    ANSWERED = "answered"
    #: Kite answered without a price of the instrument.
    UNPRICED = "unpriced"
    LATE = "late"
    FAILED = "failed"
    #: Kite does not tell prices to this key: its plan may be without market data.
    REFUSED = "refused"
    THROTTLED = "throttled"
    BREAKER_OPEN = "breaker_open"
    NO_SESSION = "no_session"
    #: The command stopped waiting: the next one of its order must not wait as well.
    HURRIED = "hurried"


class _Ltp(msgspec.Struct):
    last_price: Annotated[float, Meta(lt=1e12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to Kite: its request, its turns, what says that there is no use in asking."""

    ltp: Ltp
    turns: Turns
    has_session: Callable[[], bool]
    breaker: Breaker
    gate: Gate
    clock: Clock


class Questions:
    """Asks for whoever waits, and for those who will; one question of an instrument at a time."""

    def __init__(
        self, line: Line, keep: Callable[[Name, Decimal | None], None], *, wait_s: float
    ) -> None:
        self._line = line
        self._keep = keep
        self._wait_s = wait_s
        #: What is waited for, asked already or not yet.
        self._flights: dict[Name, asyncio.Future[End]] = {}
        self._next: dict[Name, None] = {}
        self._expected: dict[Name, None] = {}
        self._wanted = asyncio.Event()
        self._is_over = False
        self._at_work: asyncio.Task[bool] | None = None
        #: Until when nothing is asked, in monotonic seconds.
        self._quiet_until_s = 0.0

    @property
    def may_be_asked(self) -> bool:
        """Tell whether there is use in waiting for an answer."""
        is_quiet = self._line.clock.monotonic_s() < self._quiet_until_s
        return not (self._is_over or is_quiet or self._lacks_way())

    def expect(self, name: Name) -> None:
        """Say that a command in the queue will want this price: the next request asks it too."""
        if len(self._expected) < EXPECTED_MAX:
            self._expected[name] = None

    async def ask(self, name: Name, patience_s: float) -> End:
        """Wait for Kite's word, which is kept when it comes; it may come after the patience."""
        if self._is_over or patience_s <= 0:
            return End.LATE
        if self._lacks_way():
            return End.NO_SESSION
        flight = self._flights.get(name)
        if flight is None:
            flight = self._fly(name)
            self._next[name] = None
            self._wanted.set()
        try:
            async with asyncio.timeout(patience_s):
                return await asyncio.shield(flight)
        except TimeoutError:
            return End.LATE

    def stop(self) -> None:
        """Let go of `run`, and of everybody who waits."""
        self._is_over = True
        self._wanted.set()
        if self._at_work is not None:
            self._at_work.cancel()
        self._end(dict.fromkeys(self._flights, End.LATE))

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until `stopping`; `stop` lets it go."""
        while not stopping.is_set():
            await self._wanted.wait()
            self._wanted.clear()
            while self._next and not stopping.is_set():
                # Orders go without prices as well: no bug here ends the executor.
                work = contain(self._round(), self._give_up_on_bug)
                self._at_work = asyncio.create_task(work)
                try:
                    await asyncio.wait([self._at_work])
                finally:
                    self._at_work.cancel()

    def _give_up_on_bug(self, error: Exception) -> None:
        FAILURES.labels(of="price_question").inc()
        log.error("price_question.failed", exc_info=error)
        self._next.clear()
        self._end(dict.fromkeys(self._flights, End.FAILED))

    async def _round(self) -> None:
        await asyncio.sleep(GATHER_S)
        end = self._bar()
        if end is None and not await self._has_turn():
            end = End.LATE
        names = self._take()
        if end is None:
            self._end(await self._ask(names))
        else:
            self._end(dict.fromkeys(names, end))

    def _bar(self) -> End | None:
        """Return why nothing can be asked now."""
        if self._lacks_way():
            return End.NO_SESSION
        if self._line.gate.is_closed(Bar.BROKER):
            return End.BREAKER_OPEN
        verdict = self._line.breaker.ask(QUOTE.name, self._line.clock.monotonic_s())
        if verdict.allowed:
            return None
        self._be_quiet(verdict.retry_after_s)
        return End.BREAKER_OPEN

    def _lacks_way(self) -> bool:
        line = self._line
        return not line.has_session() or line.gate.is_closed(Bar.SESSION)

    def _be_quiet(self, seconds: float) -> None:
        self._quiet_until_s = self._line.clock.monotonic_s() + seconds

    async def _has_turn(self) -> bool:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._line.turns.wait_first(QUOTE.name)
        except TimeoutError:
            return False
        return True

    def _take(self) -> list[Name]:
        """Return those who wait, then those who will, as many as one request names."""
        names = list(self._next)[:NAMES_MAX]
        for name in names:
            del self._next[name]
        for name in tuple(self._expected):
            if len(names) < NAMES_MAX and name not in self._flights:
                self._fly(name)
                names.append(name)
        self._expected.clear()
        return names

    def _fly(self, name: Name) -> asyncio.Future[End]:
        self._flights[name] = flight = asyncio.get_running_loop().create_future()
        return flight

    async def _ask(self, names: Sequence[Name]) -> dict[Name, End]:
        line = self._line
        try:
            async with asyncio.timeout(self._wait_s):
                found = await line.ltp([f"{exchange}:{symbol}" for exchange, symbol in names])
        except KiteSessionExpired:
            return dict.fromkeys(names, End.NO_SESSION)
        except KiteThrottled as error:
            self._be_quiet(error.retry_after_s)
            await self._hold(error.retry_after_s)
            return dict.fromkeys(names, End.THROTTLED)
        except (KiteError, TimeoutError) as error:
            return dict.fromkeys(names, self._failed(error))
        line.breaker.succeeded(QUOTE.name)
        return {name: self._hear(name, price) for name, price in prices_in(found, names).items()}

    def _failed(self, error: KiteError | TimeoutError) -> End:
        line = self._line
        if isinstance(error, KiteRejected) and error.status == _FORBIDDEN:
            self._be_quiet(REFUSED_S)
            log.warning("prices.refused", error=str(error), asked_again_in_s=REFUSED_S)
            return End.REFUSED
        line.breaker.failed(QUOTE.name, line.clock.monotonic_s())
        return End.LATE if isinstance(error, TimeoutError) else End.FAILED

    async def _hold(self, seconds: float) -> None:
        try:
            await self._line.turns.hold(QUOTE.name, seconds)
        except StreamError:
            return  # without the Redis of the budgets nobody has a turn

    def _hear(self, name: Name, price: Decimal | None) -> End:
        self._keep(name, price)
        return End.UNPRICED if price is None else End.ANSWERED

    def _end(self, ends: Mapping[Name, End]) -> None:
        for name, end in ends.items():
            flight = self._flights.pop(name, None)
            if flight is not None and not flight.done():
                flight.set_result(end)


def prices_in(found: Mapping[str, Any], names: Sequence[Name]) -> dict[Name, Decimal | None]:
    """Return the price of each name in Kite's answer, None where it tells none that can be one."""
    return {name: _price(found.get(":".join(name))) for name in names}


def _price(row: object) -> Decimal | None:
    try:
        return rupees(msgspec.convert(row, _Ltp).last_price)
    except msgspec.ValidationError:
        return None
