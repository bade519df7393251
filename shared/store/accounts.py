"""The table of accounts: credentials sealed at rest, a switch, the day's session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from shared.errors import SettingsError
from shared.secret import Secret
from shared.store.accounts_vault import Texts, Unopened, Vault
from shared.store.pool import Pool, Row

#: Accounts read in one answer.
ROWS_MAX: Final = 1_000
_COLUMNS: Final = (
    "account, api_key, api_secret, is_enabled, session_version, access_token, issued_us, "
    "expires_us, last_verified_us, verified_version"
)
_NS_PER_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """What makes an application of the broker's ours; `api_secret` may be empty."""

    api_key: Secret
    api_secret: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, slots=True)
class Session:
    """A day's token with the api_key it was issued for; times in Unix microseconds."""

    api_key: Secret
    access_token: Secret
    issued_us: int
    expires_us: int


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as it is in the table; `problem` says why something sealed did not open."""

    account: str
    is_enabled: bool = True
    credentials: Credentials | None = None
    session: Session | None = None
    session_version: int = 0
    last_verified_us: int | None = None
    problem: str = ""


class AccountTable:
    """Reads and writes of the table; every method may raise StoreError."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool = pool
        self._vault = vault

    async def all(self) -> list[AccountRow]:
        """Return every account by name, at most `ROWS_MAX`; what does not open is left out."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM accounts ORDER BY account LIMIT $1",  # noqa: S608  # ours
                ROWS_MAX,
            )
        return [self._opened(row) for row in rows]

    async def find(self, account: str) -> AccountRow | None:
        """Return one account, or None."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_COLUMNS} FROM accounts WHERE account = $1",  # noqa: S608  # ours
                account,
            )
        return None if row is None else self._opened(row)

    async def put_credentials(self, account: str, given: Credentials, *, at_us: int) -> bool:
        """Write what opens an account; return whether it was not in the table before.

        Raises:
            SettingsError: there is no key to seal with.
        """
        sealed = (
            self._seal(account, "api_key", (given.api_key.reveal(),), at_us),
            self._seal(account, "api_secret", (given.api_secret.reveal(),), at_us),
        )
        async with self._pool.connection() as connection:
            return bool(
                await connection.fetchval(
                    "INSERT INTO accounts AS known "
                    "(account, api_key, api_secret, credentials_changed_us) "
                    "VALUES ($1, $2, $3, $4) ON CONFLICT (account) DO UPDATE "
                    "SET api_key = $2, api_secret = $3, credentials_changed_us = $4 "
                    "RETURNING xmax = 0",
                    account,
                    *sealed,
                    at_us,
                )
            )

    async def set_enabled(self, account: str, *, is_enabled: bool, at_us: int) -> bool:
        """Switch an account on or off; return False where it is not in the table."""
        async with self._pool.connection() as connection:
            tag = await connection.execute(
                "UPDATE accounts SET is_enabled = $2, enabled_changed_us = $3 WHERE account = $1",
                account,
                is_enabled,
                at_us,
            )
        return tag == "UPDATE 1"

    async def put_session(self, account: str, session: Session) -> int | None:
        """Write a login's result; return its version, None where a later login is there already.

        Raises:
            SettingsError: there is no key to seal with.
        """
        texts = (session.api_key.reveal(), session.access_token.reveal())
        sealed = self._seal(account, "access_token", texts, session.issued_us)
        async with self._pool.connection() as connection:
            version: int | None = await connection.fetchval(
                "INSERT INTO accounts AS known "
                "(account, access_token, issued_us, expires_us, session_version) "
                "VALUES ($1, $2, $3, $4, 1) ON CONFLICT (account) DO UPDATE "
                "SET access_token = $2, issued_us = $3, expires_us = $4, "
                "session_version = known.session_version + 1 "
                "WHERE known.issued_us IS NULL OR known.issued_us <= $3 "
                "RETURNING session_version",
                account,
                sealed,
                session.issued_us,
                session.expires_us,
            )
        return version

    async def end_session(self, account: str, *, version: int) -> int | None:
        """Forget the token of this version; return the next version, None where it is another."""
        async with self._pool.connection() as connection:
            after: int | None = await connection.fetchval(
                "UPDATE accounts SET access_token = NULL, issued_us = NULL, expires_us = NULL, "
                "session_version = session_version + 1 "
                "WHERE account = $1 AND session_version = $2 RETURNING session_version",
                account,
                version,
            )
        return after

    async def mark_verified(self, account: str, *, version: int, at_us: int) -> None:
        """Note that the broker has just accepted the session of this version."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE accounts SET last_verified_us = $3, verified_version = $2 "
                "WHERE account = $1 AND session_version = $2 AND "
                "(verified_version IS DISTINCT FROM $2 OR last_verified_us <= $3)",
                account,
                version,
                at_us,
            )

    async def reseal(self, *, at_us: int) -> int:
        """Seal every value anew with the first key, all or none; return how many values.

        Raises:
            SettingsError: a value opens with none of the keys; nothing was changed.
        """
        values = 0
        async with self._pool.transaction() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM accounts ORDER BY account FOR UPDATE"  # noqa: S608  # ours
            )
            for row in rows:
                sealed = [
                    self._resealed(row, column, at_us)
                    for column in ("api_key", "api_secret", "access_token")
                ]
                values += sum(each is not None for each in sealed)
                await connection.execute(
                    "UPDATE accounts SET api_key = $2, api_secret = $3, access_token = $4 "
                    "WHERE account = $1",
                    row["account"],
                    *sealed,
                )
        return values

    def _seal(self, account: str, column: str, texts: Texts, at_us: int) -> bytes:
        return self._vault.seal((account, column), texts, now_ns=at_us * _NS_PER_US)

    def _resealed(self, row: Row, column: str, at_us: int) -> bytes | None:
        if row[column] is None:
            return None
        try:
            return self._vault.reseal(
                (row["account"], column), bytes(row[column]), now_ns=at_us * _NS_PER_US
            )
        except Unopened as error:
            raise SettingsError(
                f"account {row['account']}: {column} stays as it is, and so does all else: {error}"
            ) from error

    def _opened(self, row: Row) -> AccountRow:
        bare = AccountRow(
            account=row["account"],
            is_enabled=row["is_enabled"],
            session_version=row["session_version"],
            last_verified_us=(
                row["last_verified_us"]
                if row["verified_version"] == row["session_version"]
                else None
            ),
        )
        # One damaged value costs what it holds; everything else goes on.
        problems = []
        try:
            bare = replace(bare, credentials=self._credentials(row))
        except (Unopened, SettingsError) as error:
            problems.append(f"api_key or api_secret: {error}")
        try:
            bare = replace(bare, session=self._session(row))
        except (Unopened, SettingsError) as error:
            problems.append(f"access_token: {error}")
        return replace(bare, problem="; ".join(problems))

    def _credentials(self, row: Row) -> Credentials | None:
        if row["api_key"] is None:
            return None
        (api_key,) = self._texts(row, "api_key", 1)
        (api_secret,) = self._texts(row, "api_secret", 1)
        return Credentials(Secret(api_key), Secret(api_secret))

    def _session(self, row: Row) -> Session | None:
        if row["access_token"] is None:
            return None
        api_key, access_token = self._texts(row, "access_token", 2)
        return Session(Secret(api_key), Secret(access_token), row["issued_us"], row["expires_us"])

    def _texts(self, row: Row, column: str, count: int) -> Texts:
        texts = self._vault.open((row["account"], column), bytes(row[column]))
        if len(texts) != count:
            raise Unopened(f"it holds {len(texts)} texts, not {count}")
        return texts
