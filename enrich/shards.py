"""Which shards this worker owns: leases, take-over, hand-over, a fair part of the load."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from enrich import balance
from enrich.settings import EnrichOptions
from shared.clock import Clock
from shared.errors import LeaseLost, MessageError, StreamError
from shared.runtime.logs import get_log
from shared.streams import loads
from shared.streams.client import Connection
from shared.streams.leases import Lease, acquire
from shared.streams.loads import Load

log = get_log()

#: Renewals per lease time: five may fail before it runs out. As often free shards are looked for.
RENEWALS_PER_LEASE = 6
#: Looks after a dead owner's lease has run out, at most: at the first its load may still be told,
#: and if it was the lightest, it is waited for once.
LOOKS_MAX = 2
ROOM = "enrich"
#: Of the measured weight, how much the newest interval counts.
_NEWEST_PART = 0.16


def take_over_s_max(options: EnrichOptions) -> float:
    """Return how long a dead owner's shards are nobody's at most, where workers have room.

    Its lease, then the looks of another, the last of them delayed by one read.
    """
    look_s = options.lease_s / RENEWALS_PER_LEASE
    return options.lease_s + LOOKS_MAX * look_s + options.block_ms / 1000


class Shards:
    """The leases of one worker; `taken` and `lost` are told when a shard comes or goes."""

    def __init__(
        self, redis: Connection, *, owner: str, options: EnrichOptions, clock: Clock
    ) -> None:
        self._redis = redis
        self._owner = owner
        self._options = options
        self._clock = clock
        self._leases: dict[int, Lease] = {}
        self._due_s = 0.0
        self._bytes: dict[int, int] = {}
        self._weights: dict[int, float] = {}
        self._weighed_s = clock.monotonic_s()
        #: Shards seen free that a lighter worker should have, and since when.
        self._free_s: dict[int, float] = {}

    def weigh(self, shard: int, size_bytes: int) -> None:
        """Count what a shard brought."""
        self._bytes[shard] = self._bytes.get(shard, 0) + size_bytes

    @property
    def held(self) -> tuple[int, ...]:
        """Return the shards owned, ascending."""
        return tuple(sorted(self._leases))

    def fence(self, shard: int) -> int:
        """Return the fencing number under which the shard's records are written.

        Raises:
            LeaseLost: the shard is not, or not surely, ours any more.
        """
        lease = self._leases.get(shard)
        if lease is None or not lease.holding():
            raise LeaseLost(f"shard {shard}: the lease of {self._owner} is over")
        return lease.fence

    async def maintain(
        self,
        shards: int,
        *,
        taken: Callable[[int], Awaitable[None]],
        lost: Callable[[int], None],
        giving: Callable[[int], Awaitable[None]],
    ) -> None:
        """Renew what is held, take what is free; does nothing until the next renewal is due.

        Shards beyond `shards`, as of a map that was made smaller, are given up. So is one a call to
        a worker that carries less; `giving` is awaited while it is still ours.

        Raises:
            StreamError: Redis refused or vanished.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        for shard in self.held:
            await self._keep(shard, shards, lost)
        self._measure(now_s)
        others = await self._others()
        if self._options.rebalance:
            await self._even_out(others, lost, giving)
        free = [shard for shard in range(shards) if shard not in self._leases]
        had = self.held
        for shard in free:
            if self._has_room() and self._is_due(shard, now_s, others):
                await self._take(shard, taken, lost)
        if self.held != had:
            await self._others()  # what was told is old: it has no room, or is not the lightest
        self._due_s = now_s + self._options.lease_s / RENEWALS_PER_LEASE

    def forget(self, shard: int, lost: Callable[[int], None], *, reason: str) -> None:
        """Stop owning a shard that somebody else may own by now."""
        del self._leases[shard]
        lost(shard)
        log.warning("shard.lost", shard=shard, reason=reason)

    def forget_all(self, lost: Callable[[int], None], *, reason: str) -> None:
        """Begin anew: every shard is taken again, with what was left pending of it.

        A lease that is still ours is had again at once, under a higher fence.
        """
        for shard in self.held:
            self.forget(shard, lost, reason=reason)
        self._due_s = 0.0

    async def release(self) -> None:
        """Give every shard up, so that the next owner need not wait."""
        for shard in self.held:
            await self._leases.pop(shard).release()
            log.info("shard.released", shard=shard)
        await loads.leave(self._redis, ROOM, self._owner)

    def _measure(self, now_s: float) -> None:
        """Bring the weights of what is held, in bytes a second, up to date."""
        spent_s = now_s - self._weighed_s
        if spent_s > 0.0:
            for shard in self._leases:
                rate = self._bytes.get(shard, 0) / spent_s
                before = self._weights.get(shard, rate)
                self._weights[shard] = before + _NEWEST_PART * (rate - before)
            self._bytes.clear()
            self._weighed_s = now_s
        self._weights = {shard: self._weights.get(shard, 0.0) for shard in self._leases}

    async def _others(self) -> list[Load]:
        load = Load(self._owner, balance.total(self._weights), self._has_room())
        try:
            return await loads.tell(self._redis, ROOM, load, self._options.lease_s)
        except MessageError as error:  # of another version of ours: it is not counted
            log.warning("loads.unreadable", reason=str(error))
            return []

    async def _even_out(
        self,
        others: list[Load],
        lost: Callable[[int], None],
        giving: Callable[[int], Awaitable[None]],
    ) -> None:
        """Give one shard up where a worker with room carries so much less that it helps."""
        shard = balance.to_give(self._weights, [other.weight for other in others if other.has_room])
        if shard is None:
            return
        await giving(shard)
        lost(shard)
        await self._leases.pop(shard).release()
        del self._weights[shard]
        log.info("shard.given", shard=shard)

    def _is_due(self, shard: int, now_s: float, others: list[Load]) -> bool:
        """Say whether to try for a shard: at once as the lightest, else after a round of trying."""
        mine = (balance.total(self._weights), self._owner)
        if all((other.weight, other.owner) > mine for other in others if other.has_room):
            return True
        since_s = self._free_s.setdefault(shard, now_s)
        return now_s - since_s >= self._options.lease_s / RENEWALS_PER_LEASE

    def _has_room(self) -> bool:
        return not self._options.shards_max or len(self._leases) < self._options.shards_max

    async def _keep(self, shard: int, shards: int, lost: Callable[[int], None]) -> None:
        if shard >= shards:
            lost(shard)
            await self._leases.pop(shard).release()
            log.info("shard.released", shard=shard)
            return
        try:
            await self._leases[shard].renew()
        except LeaseLost as error:
            self.forget(shard, lost, reason=str(error))

    async def _take(
        self, shard: int, taken: Callable[[int], Awaitable[None]], lost: Callable[[int], None]
    ) -> None:
        lease = await acquire(
            self._redis,
            f"enrich.{shard}",
            self._owner,
            self._options.lease_s,
            clock=self._clock,
        )
        if lease is None:
            self._free_s.pop(shard, None)
            return
        self._leases[shard], self._weights[shard] = lease, 0.0
        self._free_s.clear()
        log.info("shard.taken", shard=shard, fence=lease.fence)
        try:
            await taken(shard)
        except StreamError as error:
            # Owned but not read it would starve until the process ends.
            if shard in self._leases:
                self.forget(shard, lost, reason=str(error))
            raise
