"""The cheapest mode that satisfies everybody who wants an instrument."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.wire.ticks import Mode


@dataclass(frozen=True, slots=True)
class Want:
    """One request for an instrument; of two the one with the higher priority gets the room."""

    token: int
    mode: Mode
    priority: int
    source: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The mode of an instrument; `surplus_since_s` is when nobody needed it any more."""

    mode: Mode
    surplus_since_s: float | None = None


def granted(
    wants: Iterable[Want], before: Mapping[int, Granted], *, now_s: float, dwell_s: float
) -> dict[int, Granted]:
    """Return every wanted token once with its mode, most important first.

    More is granted at once, less only after nobody has needed more for `dwell_s`: a request that
    comes and goes does not have the exchange's packets change their length each time. Of equal
    priorities the first want goes first.
    """
    needed: dict[int, Mode] = {}
    for want in sorted(wants, key=_importance):
        needed[want.token] = max(want.mode, needed.get(want.token, want.mode))
    return {token: _kept(mode, before.get(token), now_s, dwell_s) for token, mode in needed.items()}


def priorities(wants: Iterable[Want]) -> list[tuple[int, int]]:
    """Return (priority, how many instruments have it as their highest), highest first."""
    highest: dict[int, int] = {}
    for want in wants:
        highest[want.token] = max(want.priority, highest.get(want.token, want.priority))
    return sorted(Counter(highest.values()).items(), reverse=True)


def _importance(want: Want) -> int:
    return -want.priority


def _kept(needed: Mode, before: Granted | None, now_s: float, dwell_s: float) -> Granted:
    if before is None or needed >= before.mode:
        return Granted(needed)
    since_s = now_s if before.surplus_since_s is None else before.surplus_since_s
    return Granted(needed) if now_s - since_s >= dwell_s else Granted(before.mode, since_s)
