"""Where a window of strikes is centred while the money moves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reluctance:
    """What keeps a window from following every move.

    It follows once the money is over `steps` strikes away, `dwell_s` after it moved last.
    """

    steps: float
    dwell_s: float


@dataclass(frozen=True, slots=True)
class Centre:
    """A price in rupees round which strikes are taken, since a moment of the monotonic clock."""

    price: float
    since_s: float


def followed(
    centre: Centre | None, price: float, step: float, now_s: float, reluctance: Reluctance
) -> Centre:
    """Return the centre at `now_s`: the one there is, or a new one at `price`.

    `step` is the distance between strikes there, in rupees. A window that dwells follows as soon
    as it may: the next look finds the money still away.
    """
    if centre is None:
        return Centre(price, now_s)
    if abs(price - centre.price) <= reluctance.steps * step:
        return centre
    if now_s - centre.since_s < reluctance.dwell_s:
        return centre
    return Centre(price, now_s)
