"""Every account a worker may hold, kept as its sources say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from shared.accounts import metrics
from shared.accounts.announcement import tells_of_accounts
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.changes import Changes
from shared.accounts.live import LiveAccount
from shared.accounts.resolving import Resolved, Rows, keep_unopened, resolve
from shared.accounts.settings import AccountSettings
from shared.accounts.sources import EnvironmentSource, FileSource, Source, TableSource
from shared.clock import Clock
from shared.errors import KiteSessionExpired, SettingsError, StoreError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import Log
from shared.runtime.supervise import pause, supervise
from shared.store.accounts import AccountTable
from shared.store.accounts_vault import Vault
from shared.store.pool import Pool
from shared.streams import groups
from shared.streams.client import Connection
from shared.streams.reader import TailReader
from shared.wire.topics import CONTROL

LISTEN_BLOCK_MS: Final = 500
ENTRIES_MAX: Final = 64
#: However many changes are announced, the sources are asked at most so often.
REFRESH_GAP_S: Final = 0.1
_NS_PER_US: Final = 1_000
_RETRY: Final = RetryPolicy(base_s=0.2, ceiling_s=5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a book works with; `ticks` is the Redis of control.v1, None where nobody listens."""

    clock: Clock
    log: Log
    random: random.Random
    ticks: Connection | None = None


def sources_of(
    settings: AccountsSettings, account: AccountSettings | None, pool: Pool | None, clock: Clock
) -> list[Source]:
    """Return the sources in their order of precedence: environment, TOML file, PostgreSQL.

    Raises:
        SettingsError: an encryption key is malformed.
    """
    found: list[Source] = []
    if account is not None:
        found.append(EnvironmentSource(account, clock))
    if settings.file:
        found.append(FileSource(Path(settings.file)))
    if pool is not None:
        found.append(TableSource(AccountTable(pool, Vault(settings.encryption_keys))))
    return found


class AccountBook:
    """Refreshed when control.v1 says so, at every poll besides; what fails leaves what is known."""

    def __init__(self, sources: Sequence[Source], *, poll_s: float, around: Around) -> None:
        self._sources = tuple(sources)
        self._poll_s = poll_s
        self._around = around
        self._known: dict[str, Rows] = {}
        self._troubles: dict[str, str] = {}
        self._accounts: dict[str, LiveAccount] = {}
        self._present: dict[str, LiveAccount] = {}
        self._changes = Changes()
        self._turn = asyncio.Lock()

    @property
    def accounts(self) -> Mapping[str, LiveAccount]:
        """Return the accounts that a source names, by id, disabled ones too."""
        return MappingProxyType(self._present)

    @property
    def troubles(self) -> Mapping[str, str]:
        """Return what keeps a source from answering, by name of the source."""
        return MappingProxyType(self._troubles)

    @property
    def generation(self) -> int:
        """Return how often any account changed, came or went."""
        return self._changes.count

    def account(self, account: str) -> LiveAccount:
        """Return one account.

        Raises:
            SettingsError: no source names it.
        """
        found = self._present.get(account)
        if found is None:
            said = "; ".join(f"{name}: {why}" for name, why in self._troubles.items())
            raise SettingsError(
                f"account {account} is in none of: {', '.join(s.name for s in self._sources)}"
                + (f" ({said})" if said else "")
            )
        return found

    async def wait_changed(self, after: int | None = None) -> int:
        """Return the generation once it is above `after`; None waits for the next change."""
        return await self._changes.wait(after)

    async def ready(self) -> None:
        """Say whether every enabled account has a living token when one is needed.

        Raises:
            KiteSessionExpired: from 08:30 IST on, names each account that has none.
        """
        now_ns = self._around.clock.now_ns()
        told = [live.status(now_ns) for live in self._present.values()]
        troubles = [f"{each.account}: {each.trouble}" for each in told if each.trouble]
        if troubles:
            raise KiteSessionExpired("; ".join(troubles))

    async def refresh(self) -> None:
        """Ask every source; one that cannot answer keeps its last answer."""
        async with self._turn:
            for source in self._sources:
                await self._ask(source)
            found = resolve(
                [(each.name, self._known.get(each.name, {})) for each in self._sources],
                now_us=self._around.clock.now_ns() // _NS_PER_US,
            )
            self._take(found)

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep the book until `stopping` is set; failures are told, never raised."""
        async with asyncio.TaskGroup() as group:
            supervise(group, self._poll(stopping), name="accounts poll", stopping=stopping)
            if self._around.ticks is not None:
                supervise(
                    group,
                    self._listen(self._around.ticks, stopping),
                    name="accounts listen",
                    stopping=stopping,
                )

    async def _ask(self, source: Source) -> None:
        try:
            fresh = await source.read()
        except (SettingsError, StoreError) as error:
            metrics.REFRESH_FAILURES.labels(source=source.name).inc()
            # Told once, then again when it changes: a poll is no reason for a line.
            if self._troubles.get(source.name) != str(error):
                self._around.log.warning(
                    "accounts.source_failed", source=source.name, error=str(error)
                )
            self._troubles[source.name] = str(error)
        else:
            self._known[source.name] = keep_unopened(fresh, self._known.get(source.name, {}))
            if self._troubles.pop(source.name, None):
                self._around.log.info("accounts.source_recovered", source=source.name)

    def _take(self, found: Mapping[str, Resolved]) -> None:
        changed = False
        for account, resolved in found.items():
            if account not in self._accounts:
                self._accounts[account] = LiveAccount(resolved)
                changed = True
            elif self._accounts[account].take(resolved):
                self._around.log.info("account.changed", account=account)
                changed = True
        for account in self._present.keys() - found.keys():
            # Whoever holds it learns that it opens nothing any more.
            self._accounts[account].take(Resolved(account, is_enabled=False))
        changed = changed or self._present.keys() != found.keys()
        self._present = {account: self._accounts[account] for account in found}
        now_ns = self._around.clock.now_ns()
        for live in self._accounts.values():
            live.observe(now_ns)
        if changed:
            self._changes.tell()

    async def _poll(self, stopping: asyncio.Event) -> None:
        while not await pause(stopping, self._poll_s):
            await self._tell_verified()
            await self.refresh()

    async def _tell_verified(self) -> None:
        sources = {each.name: each for each in self._sources}
        for live in tuple(self._present.values()):
            found, news_us = live.resolved, live.news_us()
            if news_us is None or found.session is None:
                continue
            try:
                await sources[found.session_from].mark_verified(
                    live.id, version=found.session_version, at_us=news_us
                )
            except StoreError as error:
                # The refresh that follows tells of a store that is away.
                self._around.log.debug("accounts.not_marked", account=live.id, error=str(error))

    async def _listen(self, redis: Connection, stopping: asyncio.Event) -> None:
        reader: TailReader | None = None
        failures = 0
        while not stopping.is_set():
            try:
                if reader is None:
                    reader = await self._tail(redis)
                    await self.refresh()
                entries = await reader.read()
            except StreamError as error:
                failures += 1
                if failures == 1:
                    self._around.log.warning("accounts.listening_failed", error=str(error))
                chance = self._around.random.random()
                await pause(stopping, _RETRY.delay_s(failures, chance))
                continue
            failures = 0
            if tells_of_accounts(entries):
                await self.refresh()
                await pause(stopping, REFRESH_GAP_S)

    async def _tail(self, redis: Connection) -> TailReader:
        # The position is known before the sources are asked: no change falls in between.
        stream = CONTROL.name()
        position = await groups.newest_id(redis, stream)
        return TailReader(
            redis, {stream: position}, count_max=ENTRIES_MAX, block_ms=LISTEN_BLOCK_MS
        )
