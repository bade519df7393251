"""What one local PostgreSQL needs: its data directory, its command line, its readiness."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from deploy.local.places import write_private
from deploy.local.postgres_home import PASSWORD_FILE, PostgresHome
from deploy.local.processes import Child, Launch
from shared.errors import LocalError
from shared.secret import Secret

#: A data directory is made, or a crash recovered from, within this, in seconds.
INITDB_S = 120.0
POSTGRES_START_S = 120.0
STATEMENT_S = 60.0
SUPERUSER = "postgres"
OWNER = "tickflow"
DATABASE = "tickflow"
_ASK_EVERY_S = 0.05
_PASSWORD_BYTES = 24
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class PostgresServer:
    """A running PostgreSQL: a URL for the pipeline, a hand for administration."""

    def __init__(self, home: PostgresHome, directory: Path) -> None:
        self._home = home
        self._directory = directory
        self._superuser = _password(directory / PASSWORD_FILE)
        self._owner = _password(directory / f"{OWNER}.password")
        self.child: Child | None = None  # set once it is started

    @property
    def directory(self) -> Path:
        """Return the directory asked for, where the passwords lie."""
        return self._directory

    @property
    def url(self) -> Secret:
        """Return the URL of the pipeline's database, as its owner."""
        return self.url_of(DATABASE)

    @property
    def socket_directory(self) -> Path:
        """Return the directory of the socket."""
        return self._home.sockets

    @property
    def data_directory(self) -> Path:
        """Return the data directory."""
        return self._home.data

    def url_of(self, database: str) -> Secret:
        """Return the URL of any database, as the pipeline's role."""
        host = quote(str(self._home.sockets), safe="")
        return Secret(f"postgresql://{OWNER}:{quote(self._owner.reveal())}@/{database}?host={host}")

    def administer(self, statement: str, *, database: str = "postgres") -> str:
        """Run a statement as the superuser; return what it says, unadorned.

        Raises:
            LocalError: the server refuses.
        """
        environment = {"PGPASSWORD": self._superuser.reveal(), "PGCONNECT_TIMEOUT": "5"}
        done = subprocess.run(  # noqa: S603 - our own program and arguments
            [
                *(self._home.binaries.bin / "psql", "-X", "-q", "-A", "-t"),
                *("-v", "ON_ERROR_STOP=1", "-h", self._home.sockets),
                *("-U", SUPERUSER, "-d", database, "-w", "-f", "-"),
            ],
            input=statement,
            env=environment,
            capture_output=True,
            text=True,
            timeout=STATEMENT_S,
            check=False,
        )
        if done.returncode != 0:
            raise LocalError(f"PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def create_database(self, name: str, *, template: str = "template0") -> None:
        """Make a database that the pipeline's role owns."""
        self.administer(f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE "{template}"')

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def settle_roles(self) -> None:
        """Make the pipeline's role and database where they are missing."""
        if not self.administer(f"SELECT 1 FROM pg_roles WHERE rolname = '{OWNER}'"):  # noqa: S608 - a constant
            self.administer(f"CREATE ROLE {OWNER} LOGIN")
        self.administer(f"ALTER ROLE {OWNER} PASSWORD '{self._owner.reveal()}'")
        if not self.administer(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608
            self.create_database(DATABASE)


def prepare(directory: Path, home: PostgresHome) -> tuple[PostgresServer, Launch]:
    """Make the data directory if there is none, say how to start the server.

    Raises:
        LocalError: the directory cannot be made, or is of another major version.
    """
    server = PostgresServer(home, directory)
    if not (home.data / "PG_VERSION").exists():
        _initialise(server, home)
    _check_version(home)
    flags = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    launch = Launch(
        name="postgres",
        argv=(
            str(home.binaries.bin / "postgres"),
            *("-D", str(home.data), "-k", str(home.sockets)),
            *flags,
        ),
        log=directory / "postgres.log",
        environment={"LC_ALL": "C", "PATH": os.defpath},
        directory=Path("/"),
        uid=home.uid,
        gid=home.gid,
        stop_signal=signal.SIGINT,  # fast: sessions are ended, data is written. Source: pg_ctl(1)
        orphan_signal=signal.SIGQUIT,  # immediate: nothing stays behind, recovery at next start
    )
    return server, launch


async def wait_ready(server: PostgresServer, child: Child) -> None:
    """Wait until it answers a superuser's question.

    Raises:
        LocalError: it ended, or needs longer than `POSTGRES_START_S`.
    """
    try:
        async with asyncio.timeout(POSTGRES_START_S):
            while not await asyncio.to_thread(_answers, server):
                if child.exit_code is not None:
                    raise LocalError(f"postgres ended at start:\n{child.log_tail()}")
                await asyncio.sleep(_ASK_EVERY_S)
    except TimeoutError as error:
        raise LocalError(
            f"postgres gave no answer in {POSTGRES_START_S:.0f} s:\n{child.log_tail()}"
        ) from error


#: Source: PostgreSQL's FATAL message for a failed scram exchange, with LC_ALL=C.
_WRONG_PASSWORD = "password authentication failed"  # noqa: S105  # a message


def _answers(server: PostgresServer) -> bool:
    try:
        return server.administer("SELECT 1") == "1"
    except LocalError as error:
        if _WRONG_PASSWORD in str(error):
            raise LocalError(
                f"the data in {server.data_directory} were made under another password than the"
                f" one in {server.directory}: remove both (make clean does)"
            ) from error
        return False


def _initialise(server: PostgresServer, home: PostgresHome) -> None:
    with _password_file(server, home) as password_file:
        done = subprocess.run(  # noqa: S603 - our own program and arguments
            [
                *(home.binaries.bin / "initdb", "-D", home.data, "-U", SUPERUSER),
                *("-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C"),
            ],
            env={"LC_ALL": "C", "PATH": os.defpath},
            cwd="/",
            user=home.uid,
            group=home.gid,
            extra_groups=None if home.uid is None else [],
            umask=0o077,
            capture_output=True,
            text=True,
            timeout=INITDB_S,
            check=False,
        )
    if done.returncode != 0:
        shutil.rmtree(home.data, ignore_errors=True)
        raise LocalError(f"PostgreSQL's data directory cannot be made: {done.stderr.strip()}")


@contextmanager
def _password_file(server: PostgresServer, home: PostgresHome) -> Iterator[Path]:
    path = home.sockets / f"initdb-{secrets.token_hex(8)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            if home.uid is not None and home.gid is not None:
                os.fchown(file.fileno(), home.uid, home.gid)
            file.write(server._superuser.reveal())  # noqa: SLF001 - the one place it is set
        yield path
    finally:
        path.unlink()


def _check_version(home: PostgresHome) -> None:
    made_by = (home.data / "PG_VERSION").read_text().strip()
    said = subprocess.run(  # noqa: S603 - our own program
        [home.binaries.bin / "psql", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if f" {made_by}." not in said:
        raise LocalError(
            f"{home.data} was made by PostgreSQL {made_by}, the programs here are {said.strip()}: "
            "remove the state directory (`make clean`) or use the older programs"
        )


def _password(file: Path) -> Secret:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(_PASSWORD_BYTES))
    return Secret(file.read_text())
