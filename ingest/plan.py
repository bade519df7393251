"""Which instrument goes on which socket, as arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.kite.limits import INSTRUMENTS_PER_SOCKET_MAX, SOCKETS_PER_KEY_MAX


@dataclass(frozen=True, slots=True)
class Plan:
    """Tokens per socket, and those for which there was no room."""

    sockets: tuple[frozenset[int], ...]
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What one socket must do to hold what it should."""

    subscribe: tuple[int, ...]
    unsubscribe: tuple[int, ...]


def plan(
    wanted: Sequence[int],
    held: Sequence[frozenset[int]] = (),
    *,
    sockets_max: int = SOCKETS_PER_KEY_MAX,
    room: int = INSTRUMENTS_PER_SOCKET_MAX,
) -> Plan:
    """Assign each wanted token to one socket, moving none that is held already.

    `wanted` is most important first, without repeats needed; the last ones are left out when the
    sockets are full. A new socket is opened only when the others have no room.
    """
    unique = tuple(dict.fromkeys(wanted))
    fitting, left_out = unique[: sockets_max * room], unique[sockets_max * room :]
    keep = set(fitting)
    sockets: list[set[int]] = []
    placed: set[int] = set()
    for tokens in held[:sockets_max]:
        kept = (set(tokens) & keep) - placed
        sockets.append(kept)
        placed |= kept
    for token in fitting:
        if token not in placed:
            _least_full(sockets, sockets_max, room).add(token)
    return Plan(tuple(frozenset(tokens) for tokens in sockets), left_out)


def change(wanted: frozenset[int], held: frozenset[int]) -> Change:
    """Return what turns `held` into `wanted`, tokens ascending."""
    return Change(tuple(sorted(wanted - held)), tuple(sorted(held - wanted)))


def _least_full(sockets: list[set[int]], sockets_max: int, room: int) -> set[int]:
    with_room = [tokens for tokens in sockets if len(tokens) < room]
    if with_room:
        return min(with_room, key=len)
    assert len(sockets) < sockets_max, "wanted was cut to what fits"
    sockets.append(set())
    return sockets[-1]
