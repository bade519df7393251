"""Accounts as the operator reaches them: every source, the table to write to, the word to say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from shared.accounts.account_file import ACCOUNT_ID
from shared.accounts.announcement import announce
from shared.accounts.book import sources_of
from shared.accounts.login import SessionDesk
from shared.accounts.resolving import Resolved, resolve
from shared.clock import Clock
from shared.errors import SettingsError, StreamError
from shared.ops.outcome import NotFound
from shared.ops.reach import reach
from shared.ops.settings import OpsSettings
from shared.store.accounts import AccountTable
from shared.store.accounts_vault import Vault
from shared.store.migrate import migrate
from shared.store.pool import open_pool

BY: Final = "ops"
#: A command does one thing after the other.
_CONNECTIONS: Final = {"connections_min": 1, "connections_max": 2}
_NS_PER_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class AccountDesk:
    """What the commands of accounts and sessions work with."""

    settings: OpsSettings
    clock: Clock
    table: AccountTable
    sessions: SessionDesk
    known: Mapping[str, Resolved]

    def now_us(self) -> int:
        """Return Unix time in microseconds."""
        return self.clock.now_ns() // _NS_PER_US

    def account(self, account: str) -> Resolved:
        """Return one account.

        Raises:
            NotFound: no source names it.
        """
        found = self.known.get(check_id(account))
        if found is None:
            raise NotFound(f"account {account} is nowhere: tickflow accounts add {account}")
        return found

    async def announce(self, account: str, version: int = 0) -> str:
        """Tell every worker to look again; return why it could not be told, or nothing."""
        try:
            async with reach(self.settings, "ticks") as redis:
                await announce(redis, account, version=version, by=BY, at_us=self.now_us())
        except (StreamError, SettingsError) as error:
            return f"kept, but not announced, workers notice at their next poll: {error}"
        return ""


def check_id(account: str) -> str:
    """Return the account's id if it can be one.

    Raises:
        SettingsError: it cannot.
    """
    if not ACCOUNT_ID.fullmatch(account):
        raise SettingsError(f"account {account!r} must be 2 to 16 capital letters or digits")
    return account


@asynccontextmanager
async def account_desk(settings: OpsSettings, clock: Clock) -> AsyncIterator[AccountDesk]:
    """Enter the desk with every account known, the table made where it is missing.

    Raises:
        SettingsError: no PostgreSQL is named, or a source is malformed.
        StoreError: PostgreSQL is away.
    """
    if not settings.postgres.url:
        raise SettingsError("no PostgreSQL: set TICKFLOW_POSTGRES__URL; accounts are kept in it")
    vault = Vault(settings.accounts.encryption_keys)
    async with open_pool(msgspec.structs.replace(settings.postgres, **_CONNECTIONS)) as pool:
        await migrate(pool)
        table = AccountTable(pool, vault)
        sources = sources_of(settings.accounts, settings.account, pool, clock)
        read = [(each.name, await each.read()) for each in sources]
        known = resolve(read, now_us=clock.now_ns() // _NS_PER_US)
        sessions = SessionDesk(table, settings.kite, clock)
        yield AccountDesk(settings, clock, table, sessions, known)
