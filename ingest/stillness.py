"""The market's clock of every socket, over the instruments as they were published last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest.registry import Market
from ingest.silence import (
    NOTHING_EXPECTED,
    Expectation,
    Holding,
    Lasting,
    Liquidity,
    MarketSilence,
)
from shared.kite.ended import Silent
from shared.market.calendar import Calendar, date_of


@dataclass(frozen=True, slots=True)
class Still(Silent):
    """Heartbeats came, but no tick for `silence_s` seconds of an open market."""


class Stillness:
    """What the market's clocks of all sockets have in common."""

    def __init__(
        self,
        calendar: Calendar,
        expectation: Expectation,
        market: Callable[[], Market | None],
    ) -> None:
        self._calendar = calendar
        self._expectation = expectation
        self._market = market
        self._judged: tuple[Market, int] | None = None
        self._liquidity: Liquidity | None = None

    def clock(self) -> MarketClock:
        """Return the clock of another socket."""
        return MarketClock(self, MarketSilence(self._calendar, self._expectation))

    def liquidity(self, now_ns: int) -> Liquidity | None:
        """Return what trades all the time today, None before any instruments are known."""
        market, on = self._market(), date_of(now_ns)
        if market is None:
            return None
        day = on.year * 10_000 + on.month * 100 + on.day
        if self._judged is None or self._judged[0] is not market or self._judged[1] != day:
            self._judged = (market, day)
            self._liquidity = Liquidity(market.instruments, day)
        return self._liquidity


class MarketClock:
    """How long one socket has been without a tick; times are Unix ns."""

    def __init__(self, stillness: Stillness, silence: MarketSilence) -> None:
        self._stillness = stillness
        self._silence = silence
        self._since_ns = 0
        self._liquidity: Liquidity | None = None
        self._tokens: frozenset[int] = frozenset()
        self._holding = Holding({})

    def opened(self, at_ns: int) -> None:
        """Hear that the socket is open."""
        self._since_ns = at_ns
        self._silence.opened(at_ns)

    def ticked(self, at_ns: int) -> None:
        """Hear that packets came."""
        self._since_ns = at_ns
        self._silence.ticked(at_ns)

    def still(self, tokens: frozenset[int], now_ns: int) -> Still | None:
        """Return what is wrong with a socket that holds these, None if nothing is."""
        if not self._hold(tokens, now_ns):
            return None
        quiet_s = self._silence.silent_s(self._holding, since_ns=self._since_ns, now_ns=now_ns)
        if quiet_s is None:
            return None
        self._silence.reconnected()
        return Still(quiet_s)

    def lasting(self, tokens: frozenset[int], *, since_ns: int, now_ns: int) -> Lasting:
        """Return how long these have been without a tick, be the socket open or not."""
        if not self._hold(tokens, now_ns):
            return NOTHING_EXPECTED
        return self._silence.lasting(self._holding, since_ns=since_ns, now_ns=now_ns)

    def _hold(self, tokens: frozenset[int], now_ns: int) -> bool:
        """Judge these tokens; False before any instruments are known."""
        liquidity = self._stillness.liquidity(now_ns)
        if liquidity is None:
            return False
        if liquidity is not self._liquidity or tokens != self._tokens:
            self._liquidity, self._tokens = liquidity, tokens
            self._holding = liquidity.holding(tokens)
        return True
