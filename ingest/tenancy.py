"""Which accounts are ours: one ingest plans them all, and each has one live ingest, by lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.clock import Clock
from shared.errors import LeaseLost
from shared.runtime.logs import get_log
from shared.streams.client import Connection
from shared.streams.leases import Lease, acquire, holder

#: The lease of whoever plans.
POOL: Final = "ingest-pool"

log = get_log()


class Tenancy:
    """Leases `ingest.<account>`, taken and kept, under one more: that of the pool.

    Who has the pool plans every account that it knows as one. Anybody else stands by, whatever
    accounts it has: two that plan without knowing of each other hold every instrument twice.
    Without Redis nobody else can take a lease either: what is held then stays held.
    """

    def __init__(self, redis: Connection, *, owner: str, ttl_s: float, clock: Clock) -> None:
        self._redis = redis
        self.owner = owner
        self._ttl_s = ttl_s
        self._clock = clock
        self._pool: Lease | None = None
        self._leases: dict[str, Lease] = {}
        #: Who has the pool, where it is not us.
        self.planner = ""
        #: Who holds an account that we want, by account.
        self.others: dict[str, str] = {}
        #: Accounts that we want and nobody holds: whoever has the pool does not know them.
        self.idle: tuple[str, ...] = ()

    @property
    def held(self) -> frozenset[str]:
        """Return the accounts that are ours."""
        return frozenset(self._leases)

    async def keep(self, accounts: Sequence[str]) -> None:
        """Hold the pool and these accounts and no others, as far as they are free.

        Raises:
            StreamError: Redis refused or vanished.
        """
        await self._keep_pool(is_needed=bool(accounts))
        wanted = accounts if self._pool else ()
        for account in [name for name in self._leases if name not in wanted]:
            await self._leases.pop(account).release()
        for account in tuple(self._leases):
            if not await self._is_renewed(self._leases[account]):
                del self._leases[account]
        missing = [name for name in accounts if name not in self._leases]
        others = {name: await self._other(_name(name)) for name in missing}
        self.others = {name: owner for name, owner in others.items() if owner}
        for account in missing if self._pool else ():
            await self._take(account)
        self.idle = tuple(name for name in missing if not others[name] and not self._pool)

    async def release(self) -> None:
        """Give every account up, then the pool, so that the next owner need not wait.

        Raises:
            StreamError: Redis refused or vanished; the leases then end by themselves.
        """
        for account in tuple(self._leases):
            await self._leases.pop(account).release()
        await self._release_pool()

    async def _keep_pool(self, *, is_needed: bool) -> None:
        if self._pool is not None and not await self._is_renewed(self._pool):
            self._pool = None
        if not is_needed:
            await self._release_pool()
        elif self._pool is None:
            self._pool = await self._acquired(POOL)
        self.planner = "" if self._pool else await self._other(POOL)

    async def _release_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.release()

    async def _is_renewed(self, lease: Lease) -> bool:
        try:
            await lease.renew()
        except LeaseLost as error:
            log.warning("lease.lost", lease=lease.name, reason=str(error))
            return False
        return True

    async def _other(self, lease: str) -> str:
        found = await holder(self._redis, lease)
        return found.owner if found and found.owner != self.owner else ""

    async def _take(self, account: str) -> None:
        if lease := await self._acquired(_name(account)):
            self._leases[account] = lease
            log.info("account.taken", account=account, fence=lease.fence)

    async def _acquired(self, lease: str) -> Lease | None:
        return await acquire(self._redis, lease, self.owner, self._ttl_s, clock=self._clock)


def _name(account: str) -> str:
    return f"ingest.{account}"
