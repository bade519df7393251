"""Trading switches as lines of text."""

from __future__ import annotations

from typing import Final

from shared.store.trading import Scope, TradingState, TradingSwitch

_NS_PER_US: Final = 1_000
_MEANS: Final[dict[TradingState, str]] = {
    "HALTED": "only cancels pass",
    "REDUCING": "only cancels pass, and what certainly reduces a position",
}
_OF: Final[dict[Scope, str]] = {
    "global": "for everybody",
    "account": "for account",
    "strategy": "for strategy",
}


def line(switch: TradingSwitch) -> str:
    """Return a switch with its state in front, whatever it is."""
    what = f"{switch.scope} {switch.subject}".strip()
    return f"{switch.state:<8} {what}  ({_who(switch, 'at')})"


def complaint(switch: TradingSwitch) -> str:
    """Return what a switch that is not ACTIVE keeps back, and who set it, when and why."""
    whom = f"{_OF[switch.scope]} {switch.subject}".strip()
    return f"trading is {switch.state} {whom}: {_MEANS[switch.state]} ({_who(switch, 'since')})"


def _who(switch: TradingSwitch, when: str) -> str:
    # numpy comes with it, which takes a moment.
    from shared.ops.tick_rows import clock_text, date_text

    why = f": {switch.sentence}" if switch.sentence else ""
    # A switch holds for days: the time alone would not tell which one it was set on.
    set_ns = switch.changed_us * _NS_PER_US
    return f"by {switch.set_by} {when} {date_text(set_ns)} {clock_text(set_ns)}{why}"
