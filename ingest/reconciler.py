"""What is held brought to what is wanted, a step at a time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest import metrics
from ingest.modes import Granted, Want, granted, priorities
from ingest.moves import step
from ingest.plan import Plan, Pool, Seat, Seating, Tokens, plan
from ingest.pool import AccountPool
from ingest.uncovered import Uncovered
from shared.clock import Clock
from shared.kite.limits import INSTRUMENTS_PER_SOCKET_MAX
from shared.runtime.logs import get_log

log = get_log()


@dataclass(frozen=True, slots=True)
class Room:
    """What a socket may hold.

    `headroom` is kept free for what moves, `limit` is Kite's; `dwell_s` is how long a mode stays
    that nobody needs any more.
    """

    headroom: int
    dwell_s: float
    limit: int = INSTRUMENTS_PER_SOCKET_MAX


class Reconciler:
    """Plans when something changed, moves until the plan is reached; one instance a process."""

    def __init__(self, pool: AccountPool, room: Room, uncovered: Uncovered, clock: Clock) -> None:
        self._pool = pool
        self._room = room
        self._uncovered = uncovered
        self._clock = clock
        self._granted: dict[int, Granted] = {}
        self._homes: dict[int, Seat] = {}
        self._asked: Tokens = frozenset()
        self._known: object = None
        self._settled = False
        #: Instruments that fit on the usable accounts, headroom left free.
        self.capacity = 0
        self.plan = Plan({})
        #: What is wanted, most important first, as u32; with how many of each priority.
        self.ranking = b""
        self.priorities: list[tuple[int, int]] = []

    @property
    def modes(self) -> Mapping[int, Granted]:
        """Return the mode of every wanted instrument."""
        return self._granted

    @property
    def headroom(self) -> int:
        """Return what every socket keeps free for instruments that move."""
        return self._room.headroom

    def converge(self, wants: Sequence[Want], version: object) -> None:
        """Take the next step, if there is one; `version` differs when the wants do."""
        self._pool.look()
        # An account that went and came back is another one, without sockets.
        accounts = tuple(self._pool.accounts.values())
        known = (version, accounts, self._pool.usable, self._pool.waiting)
        if self._settled and known == self._known:
            return
        now_s = self._clock.monotonic_s()
        self._granted = granted(wants, self._granted, now_s=now_s, dwell_s=self._room.dwell_s)
        ranked = tuple(self._granted)
        self.ranking, self.priorities = array("I", ranked).tobytes(), priorities(wants)
        self._plan(ranked)
        holding = self._pool.holding()
        rank = {token: position for position, token in enumerate(ranked)}
        taken = step(self.plan.seating, holding, rank, limit=self._room.limit).seating
        modes = {token: each.mode for token, each in self._granted.items()}
        self._pool.hold(
            {seat: {token: modes[token] for token in tokens} for seat, tokens in taken.items()}
        )
        self._tell(_held(taken), _held(holding.live), frozenset(ranked))
        self._known, self._settled = known, self._is_settled(taken)

    def end(self) -> None:
        """Tell what is held by nobody: nothing more will be held."""
        self._uncovered.end(self._clock.now_ns())

    def _is_settled(self, taken: Seating) -> bool:
        goal = self.plan.seating
        arrived = all(goal.get(seat, _NONE) == tokens for seat, tokens in taken.items())
        dwelling = any(each.surplus_since_s is not None for each in self._granted.values())
        return arrived and not dwelling and not self._uncovered.any

    def _plan(self, ranked: Sequence[int]) -> None:
        pool = Pool(
            self._pool.usable,
            self._pool.waiting,
            room=self._room.limit - self._room.headroom,
        )
        before = self.plan.seating
        self._remember_homes(before, pool)
        made = plan(ranked, pool, before, self._homes)
        if len(made.left_out) != len(self.plan.left_out):
            log.warning("instruments.left_out", count=len(made.left_out))
        self.plan = made
        self._forget_homes(made.seating, pool, frozenset(ranked))
        planned = sum(map(len, made.seating.values()))
        metrics.SUBSCRIBED.set(planned)
        metrics.NO_ROOM.set(len(made.left_out))
        metrics.CAPACITY.set(len(pool.usable) * pool.sockets * self._room.limit)
        self.capacity = pool.capacity
        metrics.HEADROOM.set(pool.capacity - planned)

    def _remember_homes(self, before: Seating, pool: Pool) -> None:
        for seat, tokens in before.items():
            if seat.account not in pool.usable:
                for token in tokens:
                    self._homes.setdefault(token, seat)

    def _forget_homes(self, seating: Seating, pool: Pool, wanted: Tokens) -> None:
        self._homes = {
            token: home
            for token, home in self._homes.items()
            if token in wanted
            and not (home.account in pool.usable and token in seating.get(home, _NONE))
        }

    def _tell(self, asked: Tokens, live: Tokens, wanted: Tokens) -> None:
        """Take note of what nobody holds any more though it is wanted; tell what is back."""
        now_ns = self._clock.now_ns()
        self._uncovered.lose((self._asked - asked) & wanted, now_ns)
        self._uncovered.regain(live, now_ns)
        self._uncovered.forget(wanted, now_ns)
        self._asked = asked


_NONE: Tokens = frozenset()


def _held(seating: Seating) -> Tokens:
    return _NONE.union(*seating.values())
