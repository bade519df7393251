"""One live owner per directory, leftovers of a dead one ended first."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from deploy.local.places import private_directory, write_private
from deploy.local.processes import Identity, end
from shared.errors import LocalError

#: How long leftovers of a killed run may take to end before they are killed, in seconds.
LEFTOVER_STOP_S = 10.0


class Claim:
    """The right to run processes in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._record = directory / "processes.json"
        self._identities: list[Identity] = []

    def add(self, identity: Identity) -> None:
        """Write down a process, so that the next owner can end it if we cannot."""
        self._identities.append(identity)
        self._save()

    def remove(self, identity: Identity) -> None:
        """Forget a process that has ended."""
        self._identities.remove(identity)
        self._save()

    async def end_leftovers(self) -> int:
        """End what a killed owner left behind; return how many still ran."""
        try:
            left = msgspec.json.decode(self._record.read_bytes(), type=list[Identity])
        except (OSError, msgspec.DecodeError):
            return 0
        alive = [identity for identity in left if identity.alive]
        await end(alive, within_s=LEFTOVER_STOP_S)
        self._save()
        return len(alive)

    def _save(self) -> None:
        write_private(self._record, msgspec.json.encode(self._identities).decode())


@asynccontextmanager
async def claim(directory: Path) -> AsyncIterator[Claim]:
    """Hold `directory` (made with mode 0700) until the block ends.

    Raises:
        LocalError: another live process holds it.
    """
    private_directory(directory)
    lock = directory / "owner.lock"
    with lock.open("a+") as file:
        lock.chmod(0o600)
        try:
            # The kernel lets go of it when we die, however we die.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LocalError(
                f"already running (pid {holder}) in {directory}: stop it, "
                "or set TICKFLOW_LOCAL__STATE_DIR to another directory"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        held = Claim(directory)
        await held.end_leftovers()
        yield held
