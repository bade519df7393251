"""Which instrument goes on which socket of which account, as arithmetic."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.kite.limits import INSTRUMENTS_PER_SOCKET_MAX, SOCKETS_PER_KEY_MAX


class Seat(NamedTuple):
    """One socket of an account."""

    account: str
    socket: int


Tokens = frozenset[int]
Seating = Mapping[Seat, Tokens]


@dataclass(frozen=True, slots=True)
class Pool:
    """Where there is room.

    `usable` accounts are filled; `waiting` ones have failed but still hold what nobody else has
    room for. `room` is what a socket is planned to hold: the limit without its headroom.
    """

    usable: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    sockets: int = SOCKETS_PER_KEY_MAX
    room: int = INSTRUMENTS_PER_SOCKET_MAX

    @property
    def seats(self) -> list[Seat]:
        """Return the usable sockets in the order in which they are opened: accounts in turn."""
        return [Seat(name, index) for index in range(self.sockets) for name in self.usable]

    @property
    def capacity(self) -> int:
        """Return how many instruments fit."""
        return len(self.usable) * self.sockets * self.room


@dataclass(frozen=True, slots=True)
class Plan:
    """Tokens per socket, no token twice, and those for which there was no room."""

    seating: Seating
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What one socket must do to hold what it should."""

    subscribe: tuple[int, ...]
    unsubscribe: tuple[int, ...]


def plan(
    wanted: Sequence[int],
    pool: Pool,
    before: Seating | None = None,
    homes: Mapping[int, Seat] | None = None,
) -> Plan:
    """Assign each wanted token to one socket, moving none that sits well already.

    `wanted` is most important first, repeats ignored; the last ones are left out when the sockets
    are full. `before` is the plan that was followed until now. `homes` are the sockets from which
    tokens were taken over: they are given back there once the account is usable again. New
    tokens go where there is most room, on as few sockets as hold them all.
    """
    unique = tuple(dict.fromkeys(wanted))
    seat_of = {token: seat for seat, tokens in (before or {}).items() for token in tokens}
    board = _Board(pool.seats, pool.room)
    fitting = unique[: pool.capacity]
    for remembered in (homes or {}, seat_of):
        for token in fitting:
            if token in remembered and token not in board.placed:
                board.keep(token, remembered[token])
    board.open_for(len(fitting))
    for token in fitting:
        if token not in board.placed:
            board.place(token)
    left_out = []
    waiting = _waiting(pool)
    for token in unique[pool.capacity :]:
        seat = seat_of.get(token)
        if seat is None or not waiting.keep(token, seat):
            left_out.append(token)
    return Plan({**board.seating(), **waiting.seating()}, tuple(left_out))


def change(wanted: Tokens, held: Tokens) -> Change:
    """Return what turns `held` into `wanted`, tokens ascending."""
    return Change(tuple(sorted(wanted - held)), tuple(sorted(held - wanted)))


@dataclass(slots=True)
class _Board:
    """The usable sockets while they are filled."""

    order: list[Seat]
    room: int
    placed: dict[int, Seat] = field(default_factory=dict)
    _counts: Counter[Seat] = field(default_factory=Counter)
    _opened: list[tuple[int, int]] = field(default_factory=list)
    _places: dict[Seat, int] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {seat: position for position, seat in enumerate(self.order)}

    def keep(self, token: int, seat: Seat) -> bool:
        """Leave a token where it is, if that is a usable socket with room."""
        if seat not in self._places or self._counts[seat] >= self.room:
            return False
        self._put(token, seat)
        return True

    def open_for(self, count: int) -> None:
        """Open what is needed for `count` tokens beside what holds any already."""
        open_seats = [seat for seat in self.order if self._counts[seat]]
        needed = -(-count // self.room) - len(open_seats) if self.room else 0
        empty = [seat for seat in self.order if not self._counts[seat]]
        open_seats += empty[: max(0, needed)]
        # Ties go to the first socket: the same wants give the same plan.
        self._opened = [(self._counts[seat], self._places[seat]) for seat in open_seats]
        heapq.heapify(self._opened)

    def place(self, token: int) -> None:
        """Put a token where there is most room."""
        count, position = heapq.heappop(self._opened)
        assert count < self.room, "what is placed was cut to what fits"
        self._put(token, self.order[position])
        heapq.heappush(self._opened, (count + 1, position))

    def seating(self) -> dict[Seat, Tokens]:
        """Return what sits where."""
        found: dict[Seat, set[int]] = {}
        for token, seat in self.placed.items():
            found.setdefault(seat, set()).add(token)
        return {seat: frozenset(tokens) for seat, tokens in found.items()}

    def _put(self, token: int, seat: Seat) -> None:
        self.placed[token] = seat
        self._counts[seat] += 1


def _waiting(pool: Pool) -> _Board:
    seats = [Seat(name, index) for name in pool.waiting for index in range(pool.sockets)]
    return _Board(seats, pool.room)
