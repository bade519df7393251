"""Brings the database's tables to what this program expects.

A file is called `NNNN_pre_words.sql` or `NNNN_post_words.sql`: `pre` ones are harmless to the
release before, `post` ones run when that release is gone. A file is never edited once released.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from shared.errors import LocalError
from shared.store.pool import Connection, Pool

_NAME: Final = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")
#: Any number, as long as every program of this project uses the same.
_LOCK: Final = 7_426_001
_HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text        PRIMARY KEY,
    checksum   bytea       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """Return SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).digest()


async def migrate(pool: Pool, migrations: tuple[Migration, ...] | None = None) -> list[str]:
    """Apply what is missing, in order, each in its own transaction; return the names applied.

    Any number of programs may call this at once: one works, the others wait and find it done.

    Raises:
        LocalError: an applied file was edited since, or is unknown to this program.
        StoreError: the server refused a statement or went away.
    """
    chosen = packaged() if migrations is None else migrations
    applied: list[str] = []
    for migration in chosen:
        async with pool.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(_HISTORY)
            known = await _history(connection)
            check_history(chosen, known)
            if migration.name not in known:
                await _apply(connection, migration)
                applied.append(migration.name)
    return applied


def packaged() -> tuple[Migration, ...]:
    """Return the files of this package in order of number."""
    folder = resources.files("shared.store").joinpath("migrations")
    found = [
        Migration(entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return check_names(tuple(sorted(found, key=lambda each: each.name)))


def check_names(migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """Return the migrations if their numbers rise; holes are left where work went on side by side.

    Raises:
        LocalError: a name does not fit the pattern, or a number does not rise.
    """
    highest = 0
    for migration in migrations:
        match = _NAME.fullmatch(migration.name)
        if match is None or int(match[1]) <= highest:
            raise LocalError(
                f"migration {migration.name}: expected NNNN_pre_<words>.sql or _post_, "
                f"NNNN above {highest:04d}"
            )
        highest = int(match[1])
    return migrations


def check_history(migrations: tuple[Migration, ...], applied: Mapping[str, bytes]) -> None:
    """Compare what was applied with the files at hand.

    Raises:
        LocalError: a file was edited after it was applied, or a newer program migrated further.
    """
    checksums = {each.name: each.checksum for each in migrations}
    for name, checksum in sorted(applied.items()):
        if name not in checksums:
            raise LocalError(f"the database has migration {name}, which this program does not know")
        if checksums[name] != checksum:
            raise LocalError(f"migration {name} was edited after it was applied to this database")


async def _history(connection: Connection) -> dict[str, bytes]:
    rows = await connection.fetch("SELECT name, checksum FROM schema_migrations")
    return {row["name"]: bytes(row["checksum"]) for row in rows}


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)",
        migration.name,
        migration.checksum,
    )
