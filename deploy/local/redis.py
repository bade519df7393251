"""What one local Redis needs: its files, its command line, its readiness."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from urllib.parse import quote

import msgspec

from deploy.local.acl import ROLES, Kind, Role, acl_file
from deploy.local.binaries import RedisBinary
from deploy.local.places import private_directory, socket_directory, write_private
from deploy.local.processes import Child, Launch
from shared.errors import LocalError
from shared.secret import Secret

#: An append-only file of a whole day is read back at start, in seconds.
REDIS_START_S = 60.0
_ASK_EVERY_S = 0.02
_PASSWORD_BYTES = 24
_CONFIGURATION = Path(__file__).resolve().parent.parent


class RedisServer:
    """A running Redis: one URL per role."""

    def __init__(
        self, kind: Kind, socket: Path, passwords: dict[Role, str], version: tuple[int, int]
    ) -> None:
        self.kind = kind
        self.version = version
        self.socket = socket
        self._passwords = passwords
        self.child: Child | None = None  # set once it is started

    def url_for(self, role: Role) -> Secret:
        """Return the URL, password inside, with which `role` connects."""
        user, password = quote(role), quote(self._passwords[role])
        return Secret(f"unix://{user}:{password}@{quote(str(self.socket))}?db=0")

    async def ping(self) -> None:
        """Log in as the operator, ask for a PONG.

        Raises:
            LocalError: it answers something else (still loading counts).
            OSError: nobody listens.
        """
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        try:
            writer.write(f"AUTH ops {self._passwords['ops']}\r\nPING\r\n".encode())
            answers = [await reader.readline(), await reader.readline()]
        finally:
            writer.close()
            await writer.wait_closed()
        if answers != [b"+OK\r\n", b"+PONG\r\n"]:
            raise LocalError(f"Redis at {self.socket} answered {answers!r}")


def prepare(kind: Kind, directory: Path, binary: RedisBinary) -> tuple[RedisServer, Launch]:
    """Write the files of a Redis into `directory` and say how to start it."""
    data = private_directory(directory / "data")
    socket = socket_directory(directory / "sock", longest_name="redis.sock") / "redis.sock"
    server = RedisServer(kind, socket, _passwords(directory / "passwords.json"), binary.version)
    access = directory / "users.acl"
    write_private(access, acl_file(kind, server._passwords, version=binary.version))  # noqa: SLF001
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "aclfile": str(access),
        "daemonize": "no",
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    launch = Launch(
        name=f"redis-{kind}",
        argv=(str(binary.path), str(_CONFIGURATION / f"redis-{kind}.conf"), *flags),
        log=directory / "redis.log",
        environment={"LC_ALL": "C"},
        directory=data,
        orphan_signal=15,  # SIGTERM: it closes its append-only file and goes at once
    )
    return server, launch


async def wait_ready(server: RedisServer, child: Child) -> None:
    """Wait until it answers.

    Raises:
        LocalError: it ended, or needs longer than `REDIS_START_S`.
    """
    try:
        async with asyncio.timeout(REDIS_START_S):
            while not await _answers(server):
                if child.exit_code is not None:
                    raise LocalError(f"{child.launch.name} ended at start:\n{child.log_tail()}")
                await asyncio.sleep(_ASK_EVERY_S)
    except TimeoutError as error:
        raise LocalError(
            f"{child.launch.name} gave no answer in {REDIS_START_S:.0f} s:\n{child.log_tail()}"
        ) from error


async def _answers(server: RedisServer) -> bool:
    try:
        await server.ping()
    except (OSError, LocalError):
        return False
    return True


def _passwords(file: Path) -> dict[Role, str]:
    """Return the passwords of an earlier start, so that printed URLs stay true."""
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=dict[Role, str])
    except (OSError, msgspec.DecodeError):
        kept = {}
    passwords = {role: kept.get(role) or secrets.token_urlsafe(_PASSWORD_BYTES) for role in ROLES}
    write_private(file, msgspec.json.encode(passwords).decode())
    return passwords
