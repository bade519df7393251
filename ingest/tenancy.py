"""Which accounts are ours: one live ingest per account, by lease."""

from __future__ import annotations

from collections.abc import Sequence

from shared.clock import Clock
from shared.errors import LeaseLost
from shared.runtime.logs import get_log
from shared.streams.client import Connection
from shared.streams.leases import Lease, acquire, holder

log = get_log()


class Tenancy:
    """Leases `ingest.<account>`, taken and kept.

    Without Redis nobody else can take a lease either: what is held then stays held.
    """

    def __init__(self, redis: Connection, *, owner: str, ttl_s: float, clock: Clock) -> None:
        self._redis = redis
        self.owner = owner
        self._ttl_s = ttl_s
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        #: Who holds an account that we want, by account.
        self.others: dict[str, str] = {}

    @property
    def held(self) -> frozenset[str]:
        """Return the accounts that are ours."""
        return frozenset(self._leases)

    async def keep(self, accounts: Sequence[str]) -> None:
        """Hold these accounts and no others, as far as they are free.

        Who holds none stands by while anybody holds one of them: two would share the work without
        knowing of each other, and hold every instrument twice.

        Raises:
            StreamError: Redis refused or vanished.
        """
        for account in [name for name in self._leases if name not in accounts]:
            await self._leases.pop(account).release()
        for account in tuple(self._leases):
            try:
                await self._leases[account].renew()
            except LeaseLost as error:
                del self._leases[account]
                log.warning("account.lease_lost", account=account, reason=str(error))
        missing = [name for name in accounts if name not in self._leases]
        others = {name: await self._other(name) for name in missing}
        self.others = {name: owner for name, owner in others.items() if owner}
        if self.others and not self._leases:
            return
        for account in missing:
            await self._take(account)

    async def release(self) -> None:
        """Give every account up, so that the next owner need not wait.

        Raises:
            StreamError: Redis refused or vanished; the leases then end by themselves.
        """
        for account in tuple(self._leases):
            await self._leases.pop(account).release()

    async def _other(self, account: str) -> str:
        found = await holder(self._redis, _name(account))
        return found.owner if found and found.owner != self.owner else ""

    async def _take(self, account: str) -> None:
        lease = await acquire(
            self._redis, _name(account), self.owner, self._ttl_s, clock=self._clock
        )
        if lease is not None:
            self._leases[account] = lease
            log.info("account.taken", account=account, fence=lease.fence)


def _name(account: str) -> str:
    return f"ingest.{account}"
