"""The next step from what the sockets hold to what they should, within every limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.plan import Seat, Seating, Tokens


@dataclass(frozen=True, slots=True)
class Step:
    """What each socket is to hold next; `dropped` had to leave before anybody else holds them."""

    seating: Seating
    dropped: Mapping[Seat, Tokens]


@dataclass(frozen=True, slots=True)
class Holding:
    """What each socket was asked to hold, and of that what it is subscribed to for certain."""

    asked: Seating
    live: Seating


def step(goal: Seating, holding: Holding, rank: Mapping[int, int], *, limit: int) -> Step:
    """Return the next seating on the way to `goal`; repeated, it arrives there.

    A token that moves stays on its old socket until the new one is subscribed to it, inside the
    room between what a socket is planned to hold and `limit`. Only where sockets wait for each
    other in a circle, without such room, a token leaves first. `rank` orders who comes first,
    lowest first.
    """
    seat_of = {token: seat for seat, tokens in goal.items() for token in tokens}
    stays = {
        seat: _staying(seat, tokens, seat_of, holding.live)
        for seat, tokens in holding.asked.items()
    }
    seats = {**holding.asked, **goal}
    seating = {
        seat: _filled(stays.get(seat, _NONE), goal.get(seat, _NONE), rank, limit) for seat in seats
    }
    blocked = {
        seat: tokens
        for seat in seats
        if (tokens := _blocked(seat, goal.get(seat, _NONE), seating, seat_of))
    }
    for seat, tokens in blocked.items():
        kept = stays[seat] - tokens
        seating[seat] = _filled(kept, goal.get(seat, _NONE), rank, limit)
    return Step(seating, blocked)


_NONE: Tokens = frozenset()


def _staying(seat: Seat, asked: Tokens, seat_of: Mapping[int, Seat], live: Seating) -> Tokens:
    """Return what is not wanted elsewhere, or not there yet."""
    kept = []
    for token in asked:
        goes_to = seat_of.get(token)
        if goes_to == seat or (goes_to is not None and token not in live.get(goes_to, _NONE)):
            kept.append(token)
    return frozenset(kept)


def _filled(stays: Tokens, wanted: Tokens, rank: Mapping[int, int], limit: int) -> Tokens:
    """Return what stays with as much of what comes as there is room for."""
    coming = wanted - stays
    room = limit - len(stays)
    if len(coming) <= room:
        return stays | coming
    return stays | frozenset(sorted(coming, key=rank.__getitem__)[: max(0, room)])


def _blocked(seat: Seat, wanted: Tokens, seating: Seating, seat_of: Mapping[int, Seat]) -> Tokens:
    """Return tokens whose leaving is all that lets a full socket go on; they leave for nowhere.

    Those that the next socket takes now leave by themselves a step later.
    """
    short = len(wanted - seating[seat])
    if not short:
        return _NONE
    leaving = [token for token in seating[seat] - wanted if token in seat_of]
    if any(token in seating[seat_of[token]] for token in leaving):
        return _NONE
    return frozenset(sorted(leaving)[:short])
