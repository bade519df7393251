"""When a socket that still beats has been without ticks for too long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.market.calendar import Calendar, CalendarUnknown
from shared.market.calendar_rows import Phase
from shared.wire.instruments import Kind

_NS: Final = 1_000_000_000
#: Kite sends the last state of what was subscribed to well within this.
SNAPSHOT_NS: Final = 5 * _NS


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long a socket may go without a tick while its market is open, in seconds.

    `liquid_s` where it holds an instrument that trades all the time; `crowd_s` where it holds at
    least `crowd` of whatever kind; for ever where it holds neither. A reconnect that brought
    nothing doubles the time, up to `ceiling_s`: then it is the market that stands still.
    """

    liquid_s: float = 10.0
    crowd_s: float = 60.0
    crowd: int = 50
    ceiling_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Holding:
    """What a socket holds: by segment, how many instruments, how many of them liquid."""

    counts: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Lasting:
    """Seconds without a tick, and how many of them are ordinary: inf where none is expected."""

    silent_s: float
    allowed_s: float


NOTHING_EXPECTED: Final = Lasting(0.0, math.inf)


class MarketSilence:
    """The market's clock of one socket; times are Unix ns, given by the caller."""

    def __init__(self, calendar: Calendar, expectation: Expectation) -> None:
        self._calendar = calendar
        self._expectation = expectation
        self._fruitless = 0
        self._opened_ns = 0
        self._live_ns = 0

    def opened(self, at_ns: int) -> None:
        """Hear that the socket is open."""
        self._opened_ns = at_ns

    def ticked(self, at_ns: int) -> None:
        """Hear that a packet came; what comes upon opening is a snapshot and proves nothing."""
        if at_ns - self._opened_ns > SNAPSHOT_NS:
            self._fruitless = 0
            self._live_ns = at_ns

    def reconnected(self) -> None:
        """Hear that the socket was opened anew on account of silence."""
        self._fruitless += 1

    def silent_s(self, holding: Holding, *, since_ns: int, now_ns: int) -> float | None:
        """Return the seconds of silence if they are too many, else None.

        `since_ns` is the last packet or the opening of the socket, whichever is later. Silence
        counts from the opening of the segment, and only while it is open: outside its hours a
        socket idles as it should.
        """
        for segment, (instruments, liquid) in holding.counts.items():
            patience_s = self._patience_s(instruments, liquid)
            if patience_s is None or not self._trades(segment, now_ns):
                continue
            quiet_s = (now_ns - since_ns) / _NS
            # Open for the whole of the silence that is complained of.
            begun_ns = now_ns - round(patience_s * _NS)
            if quiet_s >= patience_s and self._trades(segment, begun_ns):
                return quiet_s
        return None

    def lasting(self, holding: Holding, *, since_ns: int, now_ns: int) -> Lasting:
        """Return the silence of the market as it lasts, whatever was opened anew meanwhile.

        `since_ns` is when it was first listened to. What comes upon opening does not end it.
        """
        worst = NOTHING_EXPECTED
        for segment, counts in holding.counts.items():
            allowed_s = self._expected_s(*counts)
            if allowed_s is None or not self._trades(segment, now_ns):
                continue
            begun_ns = max(since_ns, self._live_ns, self._began_ns(segment, now_ns))
            found = Lasting(max(0, now_ns - begun_ns) / _NS, allowed_s)
            worst = min(worst, found, key=lambda each: each.allowed_s)
        return worst

    def _trades(self, segment: str, at_ns: int) -> bool:
        """Say whether trading is continuous; in an auction even an index may stand still."""
        return self._calendar.presume(segment, at_ns).phase is Phase.OPEN

    def _began_ns(self, segment: str, at_ns: int) -> int:
        try:
            session = self._calendar.session_at(segment, at_ns)
        except CalendarUnknown:
            return 0
        return session.begins_ns if session is not None else 0

    def _patience_s(self, instruments: int, liquid: int) -> float | None:
        base_s = self._expected_s(instruments, liquid)
        if base_s is None:
            return None
        return min(base_s * 2.0**self._fruitless, self._expectation.ceiling_s)

    def _expected_s(self, instruments: int, liquid: int) -> float | None:
        if liquid:
            return self._expectation.liquid_s
        return self._expectation.crowd_s if instruments >= self._expectation.crowd else None


class Liquidity:
    """Which instruments trade all the time: indices, and the nearest futures of indices."""

    def __init__(self, instruments: np.ndarray, today: int) -> None:
        """Judge published instruments, shape (n,), sorted by token, on a day (yyyymmdd)."""
        self._tokens = instruments["instrument_token"]
        self._segments = instruments["exchange"]
        indices = instruments["instrument_token"][instruments["kind"] == Kind.INDEX]
        future = (
            (instruments["kind"] == Kind.FUTURE)
            & (instruments["expiry"] >= today)
            & np.isin(instruments["underlying_token"], indices)
        )
        self._liquid = (instruments["kind"] == Kind.INDEX) & _has_derivatives(instruments)
        for name in np.unique(instruments["underlying"][future]):
            of_name = future & (instruments["underlying"] == name)
            nearest = instruments["expiry"][of_name].min()
            self._liquid |= of_name & (instruments["expiry"] == nearest)

    def holding(self, tokens: Iterable[int]) -> Holding:
        """Return what a socket with these tokens holds; what is not listed does not count."""
        held = np.isin(self._tokens, np.fromiter(tokens, dtype=np.uint32))
        counts = {}
        for segment in np.unique(self._segments[held]).tolist():
            there = held & (self._segments == segment)
            counts[segment.decode()] = (int(there.sum()), int((there & self._liquid).sum()))
        return Holding(counts)


def _has_derivatives(instruments: np.ndarray) -> np.ndarray:
    """Return which rows are the underlying of another: the other indices tick when they like."""
    underlying = instruments["underlying_token"][instruments["kind"] >= Kind.FUTURE]
    named: np.ndarray = np.isin(instruments["instrument_token"], underlying)
    return named
