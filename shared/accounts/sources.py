"""Where accounts come from, one class a source."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from shared.accounts.account_file import read_accounts
from shared.accounts.resolving import Rows
from shared.accounts.settings import AccountSettings
from shared.accounts.token_state import expires_us
from shared.clock import Clock
from shared.secret import Secret
from shared.store.accounts import AccountRow, AccountTable, Credentials, Session

_NS_PER_US = 1_000


class Source(Protocol):
    """Names accounts; what it leaves open is for a later source to say."""

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        ...

    async def read(self) -> Rows:
        """Return its accounts by id as they are now.

        Raises:
            SettingsError, StoreError: it cannot say at the moment.
        """
        ...

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Keep that the broker accepted a session, where the source keeps such things.

        Raises:
            StoreError: not kept.
        """
        ...


class EnvironmentSource:
    """The one account of section `account`, as it was when the process began."""

    name = "environment"

    def __init__(self, settings: AccountSettings, clock: Clock) -> None:
        self._rows = _of_settings(settings, clock.now_ns() // _NS_PER_US)

    async def read(self) -> Rows:
        """Return the account."""
        return self._rows

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Keep nothing: an environment is only read."""


class FileSource:
    """A TOML file, read anew each time."""

    name = "file"

    def __init__(self, file: Path) -> None:
        self._file = file

    async def read(self) -> Rows:
        """Return the accounts of the file; raises SettingsError."""
        return await asyncio.to_thread(read_accounts, self._file)

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Keep nothing: the file is its owner's."""


class TableSource:
    """The table of accounts in PostgreSQL."""

    name = "PostgreSQL"

    def __init__(self, table: AccountTable) -> None:
        self._table = table

    async def read(self) -> Rows:
        """Return the accounts of the table; raises StoreError."""
        return {row.account: row for row in await self._table.all()}

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Write it beside the session; raises StoreError."""
        await self._table.mark_verified(account, version=version, at_us=at_us)


def _of_settings(settings: AccountSettings, now_us: int) -> dict[str, AccountRow]:
    if not settings.id:
        return {}
    api_key = Secret(settings.api_key)
    session = Session(api_key, settings.access_token, now_us, expires_us(now_us))
    return {
        settings.id: AccountRow(
            account=settings.id,
            credentials=Credentials(api_key, settings.api_secret) if api_key else None,
            session=session if settings.access_token else None,
        )
    }
