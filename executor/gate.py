"""What keeps the executor from sending, by name."""

from __future__ import annotations

from enum import StrEnum

from shared.runtime.probe import Check


class Bar(StrEnum):
    """Everything that can keep commands back."""

    SEAT = "seat"
    STORE = "store"
    STREAMS = "streams"
    START = "start"
    SESSION = "session"
    BROKER = "broker"
    CLOCK = "clock"
    EGRESS = "egress"


#: A cancel goes out although the book has not been compared yet, the broker just failed us, our
#: clock is wrong, or our address was refused: it may be refused again, which costs nothing.
_PASSED_BY_CANCELS = frozenset({Bar.START, Bar.BROKER, Bar.CLOCK, Bar.EGRESS})


class Gate:
    """Closed while any bar is; each closed bar has its reason."""

    def __init__(self) -> None:
        self._reasons: dict[Bar, str] = {
            Bar.SEAT: "the account's seat is not taken yet",
            Bar.START: "the order book has not been compared with the journal yet",
        }

    def close(self, bar: Bar, reason: str) -> bool:
        """Keep commands back; return whether the bar was open until now."""
        was_open = bar not in self._reasons
        self._reasons[bar] = reason
        return was_open

    def open(self, *bars: Bar) -> None:
        """Remove these bars."""
        for bar in bars:
            self._reasons.pop(bar, None)

    def is_closed(self, bar: Bar) -> bool:
        """Tell whether this bar keeps commands back."""
        return bar in self._reasons

    def passes(self, kind: str) -> bool:
        """Tell whether a command of this kind may be sent."""
        closed = self._reasons.keys()
        return not (closed - _PASSED_BY_CANCELS if kind == "cancel" else closed)

    def why_held(self, kind: str) -> str:
        """Return every reason for which a command of this kind may not be sent, or nothing."""
        if self.passes(kind):
            return ""
        return "; ".join(f"{bar}: {reason}" for bar, reason in self._reasons.items())

    async def check(self, bar: Bar) -> Check:
        """Return the readiness of one bar."""
        reason = self._reasons.get(bar)
        return Check(ok=reason is None, reason=reason or "")
