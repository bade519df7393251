"""Which shards this worker owns: leases, take-over, hand-over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from enrich.settings import EnrichOptions
from shared.clock import Clock
from shared.errors import LeaseLost, StreamError
from shared.runtime.logs import get_log
from shared.streams.client import Connection
from shared.streams.leases import Lease, acquire

log = get_log()

#: Renewals per lease time: two may fail before it runs out.
_RENEWALS_PER_LEASE = 3


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
    ) -> None:
        """Renew what is held, take what is free; does nothing until the next renewal is due.

        Shards beyond `shards`, as of a map that was made smaller, are given up.

        Raises:
            StreamError: Redis refused or vanished.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return
        for shard in self.held:
            await self._keep(shard, shards, lost)
        for shard in range(shards):
            if shard not in self._leases and self._has_room():
                await self._take(shard, taken, lost)
        self._due_s = now_s + self._options.lease_s / _RENEWALS_PER_LEASE

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
            return
        self._leases[shard] = lease
        log.info("shard.taken", shard=shard, fence=lease.fence)
        try:
            await taken(shard)
        except StreamError as error:
            # Owned but not read it would starve until the process ends.
            if shard in self._leases:
                self.forget(shard, lost, reason=str(error))
            raise
