"""One answer for everybody who asks the same at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from executor.query_settings import QuerySettings
from executor.reads.cache import Answer, Answers
from executor.reads.kinds import KINDS, question, rate_of
from executor.reads.turns import Turns
from shared.clock import Clock
from shared.errors import (
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
    StreamError,
)
from shared.kite.rest import Request
from shared.wire import queries as wire
from shared.wire.orders import Reason

#: Refusals that hold for whoever asks the same; the others are the leader's own bad luck.
_FOR_ALL: Final = frozenset({"auth_required", "broker_rejected", "reply_too_large"})


class Reads(Protocol):
    """Kite's reads; both raise KiteError, never of an unknown outcome."""

    async def json(self, request: Request) -> bytes:
        """Return data as JSON."""
        ...

    async def csv(self, request: Request) -> bytes:
        """Return a CSV as one JSON string."""
        ...


class Found(NamedTuple):
    """An answer; `is_cached` where it is older than the question."""

    answer: Answer
    is_cached: bool


@dataclass(slots=True)
class _Flight:
    """A call on its way: what it will bring, whether it has its turn yet."""

    done: asyncio.Future[Answer | Reason]
    has_turn: bool = False


class Reading:
    """Reads for others within the account's budgets; equal questions share one call."""

    def __init__(
        self, reads: Reads, turns: Turns, clock: Clock, settings: QuerySettings, bytes_max: int
    ) -> None:
        self._reads = reads
        self._turns = turns
        self._clock = clock
        self._settings = settings
        self._bytes_max = bytes_max
        self._answers = Answers(settings.cached_bytes_max)
        self._flights: dict[bytes, _Flight] = {}

    async def read(self, query: wire.Query, deadline_s: float) -> Found | Reason:
        """Return Kite's answer, or why there is none by `deadline_s` of the monotonic clock."""
        asked = question(query)
        flight: _Flight | None = None
        try:
            async with asyncio.timeout(max(0.0, deadline_s - self._clock.monotonic_s())):
                while True:
                    kept = self._answers.find(asked, self._clock.monotonic_s())
                    if kept is not None:
                        return Found(kept, is_cached=True)
                    flight = self._flights.get(asked)
                    if flight is None:
                        flight = self._flights[asked] = _Flight(asyncio.Future())
                        return await self._lead(flight, asked, query)
                    found = await asyncio.shield(flight.done)
                    if isinstance(found, Answer):
                        return Found(found, is_cached=False)
                    if found.code in _FOR_ALL:
                        return found
        except TimeoutError:
            if flight is not None and not flight.has_turn:
                return Reason(code="rate_limited", sentence="no turn came before the deadline")
            return Reason(code="deadline_passed", sentence="no answer came before the deadline")

    async def _lead(self, flight: _Flight, asked: bytes, query: wire.Query) -> Found | Reason:
        outcome: Answer | Reason = Reason(code="deadline_passed", sentence="the call was given up")
        try:
            outcome = await self._ask(flight, query)
            if isinstance(outcome, Answer):
                until_s = self._clock.monotonic_s() + KINDS[type(query)].fresh_s
                self._answers.keep(asked, outcome, until_s)
        finally:
            del self._flights[asked]
            flight.done.set_result(outcome)
        return Found(outcome, is_cached=False) if isinstance(outcome, Answer) else outcome

    async def _ask(self, flight: _Flight, query: wire.Query) -> Answer | Reason:
        kind = KINDS[type(query)]
        request = kind.asking(query)
        rate = rate_of(query)
        attempt = 0
        while True:
            attempt += 1
            flight.has_turn = False
            await self._turns.wait(rate)
            flight.has_turn = True
            try:
                data = await (self._reads.csv if kind.is_csv else self._reads.json)(request)
            except KiteThrottled as error:
                reason = await self._throttled(rate, error)
            except KiteUnavailable as error:
                reason = Reason(code="broker_unavailable", sentence=str(error))
            except KiteRejected as error:
                return _refused(error)
            else:
                return self._checked(Answer(data, self._clock.now_ns() // 1000))
            if attempt >= self._settings.attempts_max:
                return reason
            await asyncio.sleep(self._settings.attempt_gap_s)

    async def _throttled(self, rate: str, error: KiteThrottled) -> Reason:
        try:
            await self._turns.hold(rate, error.retry_after_s)
        except StreamError:
            await asyncio.sleep(error.retry_after_s)
        return Reason(code="rate_limited", sentence=str(error))

    def _checked(self, answer: Answer) -> Answer | Reason:
        if len(answer.data) <= self._bytes_max:
            return answer
        return Reason(
            code="reply_too_large",
            sentence="the answer is too long for one entry: ask for less",
            measured=f"{len(answer.data)} bytes",
            limit=f"{self._bytes_max} bytes",
        )


def _refused(error: KiteRejected) -> Reason:
    if isinstance(error, KiteSessionExpired):
        return Reason(code="auth_required", sentence=f"the session is dead, log in: {error}")
    measured = f"{error.error_type} {error.status}".strip()
    return Reason(code="broker_rejected", sentence=str(error), measured=measured)
