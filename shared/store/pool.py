"""The pool of PostgreSQL connections, every failure of which is a StoreError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, Protocol

import asyncpg  # type: ignore[import-untyped]  # the vendor ships no types; narrowed here

from shared.clock import SystemClock
from shared.errors import LocalError, StoreError
from shared.store.metrics import WAIT
from shared.store.settings import PostgresSettings

#: The oldest server we are tested on. Source: postgresql.org/support/versioning (read 2026-11).
SERVER_VERSION_MIN: Final = 140_000
_DURABLE_COMMITS: Final = frozenset({"on", "remote_write", "remote_apply"})
_VENDOR_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What a connection that was cut while idle may answer with instead of an InterfaceError.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

Row = Mapping[str, Any]


class Connection(Protocol):
    """The part of asyncpg's connection this room uses."""

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a statement and return its command tag."""
        ...

    async def fetch(self, query: str, *arguments: object) -> Sequence[Row]:
        """Return every row."""
        ...

    async def fetchrow(self, query: str, *arguments: object) -> Row | None:
        """Return the first row or None."""
        ...

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Return the first column of the first row, or None."""
        ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[tuple[object, ...]], columns: Sequence[str]
    ) -> str:
        """Write rows in one stream."""
        ...

    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: AsyncIterator[bytes],
        columns: Sequence[str],
        format: str,  # noqa: A002  # the vendor's name
    ) -> str:
        """Write rows in one stream of bytes."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Return a transaction that commits when its block ends without an exception."""
        ...

    def is_closed(self) -> bool:
        """Tell whether the connection is gone."""
        ...


class Pool:
    """Connections to one database; enter it with `open_pool`."""

    def __init__(self, vendor: Any, settings: PostgresSettings) -> None:
        self._vendor = vendor
        self._settings = settings
        self._clock = SystemClock()
        self._for_connection = f"no connection within {settings.acquire_timeout_s:g} s"
        self._for_answer = f"no answer to a statement within {settings.statement_timeout_s:g} s"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection.

        Raises:
            StoreError: none could be had in time, or a statement in the block failed.
        """
        awaited, began_s = self._for_connection, self._clock.monotonic_s()
        try:
            async with self._vendor.acquire(timeout=self._settings.acquire_timeout_s) as connection:
                WAIT.observe(self._clock.monotonic_s() - began_s)
                awaited = self._for_answer
                yield connection
        except _VENDOR_ERRORS as error:
            if awaited is self._for_connection:
                WAIT.observe(self._clock.monotonic_s() - began_s)
            raise _store_error(error, awaited) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction.

        Raises:
            StoreError: as `connection`; after a failed commit the outcome is to be read again.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Open a connection of its own, outside the pool, for session locks.

        Raises:
            StoreError: it cannot be opened, or a statement in the block failed.
        """
        with translate(_not_opened(self._settings)):
            connection = await asyncpg.connect(**_connect_arguments(self._settings))
        try:
            yield connection
        finally:
            # A close that waits for a vanished server would hold up the drain.
            connection.terminate()

    async def ping(self) -> None:
        """Ask the server for nothing.

        Raises:
            StoreError: no answer.
        """
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")


@asynccontextmanager
async def open_pool(settings: PostgresSettings) -> AsyncIterator[Pool]:
    """Enter a pool on a server that keeps what it has committed.

    Raises:
        StoreError: the server cannot be reached.
        LocalError: it is too old, or would lose commits in a crash.
    """
    with translate(_not_opened(settings)):
        vendor = await asyncpg.create_pool(
            **_connect_arguments(settings),
            min_size=settings.connections_min,
            max_size=settings.connections_max,
            reset=_leave_as_it_is,
        )
    try:
        pool = Pool(vendor, settings)
        await _check_server(pool)
        yield pool
    finally:
        await _close(vendor, settings.connect_timeout_s)


@contextmanager
def translate(awaited: str = "no answer in time") -> Iterator[None]:
    """Turn what asyncpg raises into StoreError; `awaited` is what a bare time-out says.

    Raises:
        StoreError: from the vendor's own error; its text names no value of a statement.
    """
    try:
        yield
    except _VENDOR_ERRORS as error:
        raise _store_error(error, awaited) from error


def _store_error(error: BaseException, awaited: str) -> StoreError:
    # Where a wait ends it is asyncio that raises, and that without a word.
    text = str(error)
    if isinstance(error, TimeoutError) and not text:
        return StoreError(f"PostgreSQL: {awaited}")
    # A detail line repeats the values of the row, a command's payload among them.
    brief = text.split("\n", 1)[0]
    return StoreError(f"PostgreSQL: {type(error).__name__}: {brief}")


def _not_opened(settings: PostgresSettings) -> str:
    return f"no connection could be opened within {settings.connect_timeout_s:g} s"


async def _check_server(pool: Pool) -> None:
    async with pool.connection() as connection:
        rows = await connection.fetch(
            "SELECT name, setting FROM pg_settings WHERE name = ANY($1)",
            ["server_version_num", "fsync", "full_page_writes", "synchronous_commit"],
        )
    refused = durability_problems({row["name"]: row["setting"] for row in rows})
    if refused:
        raise LocalError(f"PostgreSQL cannot be trusted with orders: {'; '.join(refused)}")


def durability_problems(server: Mapping[str, str]) -> list[str]:
    """Return a sentence per setting of the server that could lose a committed row."""
    problems = [f"{name} is off" for name in ("fsync", "full_page_writes") if server[name] != "on"]
    if server["synchronous_commit"] not in _DURABLE_COMMITS:
        problems.append(
            f"synchronous_commit is {server['synchronous_commit']}, not on, remote_write "
            "or remote_apply"
        )
    version = int(server["server_version_num"])
    if version < SERVER_VERSION_MIN:
        problems.append(
            f"server version {version // 10_000} is below {SERVER_VERSION_MIN // 10_000}"
        )
    return problems


def _connect_arguments(settings: PostgresSettings) -> dict[str, Any]:
    return {
        "dsn": settings.url.reveal(),
        "timeout": settings.connect_timeout_s,
        "command_timeout": settings.statement_timeout_s,
        "statement_cache_size": settings.statements_cached_max,
        "server_settings": {
            "application_name": "tickflow",
            "timezone": "UTC",
            # The journal's statements find rows by their keys whatever the values: planning each
            # anew takes longer than running it (measured: 0.5 of 1.2 ms).
            "plan_cache_mode": "force_generic_plan",
            # The server must stop waiting for a lock before the client stops listening.
            "lock_timeout": f"{round(settings.statement_timeout_s * 900)}ms",
        },
    }


async def _leave_as_it_is(_connection: Any) -> None:
    """Save the round trip of a reset: nothing here sets, listens, locks or opens a cursor."""


async def _close(vendor: Any, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await vendor.close()
    except (*_VENDOR_ERRORS, TimeoutError):
        vendor.terminate()
