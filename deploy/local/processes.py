"""One child process: its start, its end, what it was called."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from shared.errors import LocalError

#: How often a child is asked whether it has ended, in seconds.
POLL_S = 0.02
#: How long a killed process may take to leave the process table, in seconds.
KILL_WAIT_S = 10.0
#: Last part of a log that is quoted when its process failed, in bytes.
LOG_TAIL_BYTES_MAX = 4_000
LOG_TAIL_LINES_MAX = 12
#: Size at which a log begins anew; one older part is kept, in bytes.
LOG_BYTES_MAX = 16 * 1024 * 1024

_PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h
_STAT_STATE, _STAT_START_TICKS = 0, 19  # fields after the command's name. Source: proc(5)
_libc = ctypes.CDLL(None, use_errno=True)


class Identity(Struct, frozen=True):
    """A process for good: the kernel gives a pid again, but not with the same start time."""

    name: str
    pid: int
    started_ticks: int

    @property
    def alive(self) -> bool:
        """Say whether this very process still runs; a zombie does not."""
        return started_ticks(self.pid) == self.started_ticks


class Launch(Struct, frozen=True, kw_only=True):
    """How to start one child."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str]
    directory: Path
    uid: int | None = None  # None: ours
    gid: int | None = None
    stop_signal: int = signal.SIGTERM
    orphan_signal: int = signal.SIGKILL  # what the kernel sends when we die without a word
    output: Path | None = None  # where standard output goes; None: into the log


class Child:
    """A running child that dies with us."""

    def __init__(self, launch: Launch, process: subprocess.Popen[bytes]) -> None:
        self.launch = launch
        self._process = process
        self.identity = Identity(launch.name, process.pid, started_ticks(process.pid) or 0)

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs; minus a signal's number if killed."""
        return self._process.poll()

    def request_stop(self) -> None:
        """Ask it to end."""
        if self.exit_code is None:
            self._process.send_signal(self.launch.stop_signal)

    async def wait(self) -> int:
        """Return the exit code once it has ended."""
        while (code := self.exit_code) is None:  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(POLL_S)
        return code

    async def stop(self, *, within_s: float) -> bool:
        """Ask it to end, kill it after `within_s` seconds; say whether it ended by itself."""
        self.request_stop()
        try:
            async with asyncio.timeout(within_s):
                await self.wait()
        except TimeoutError:
            await self.kill()
            return False
        return True

    def kill_now(self) -> None:
        """Have the kernel end it, with whatever it started in its session."""
        if self.exit_code is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    async def kill(self) -> None:
        """End it at once and wait until it is gone."""
        self.kill_now()
        async with asyncio.timeout(KILL_WAIT_S):
            await self.wait()

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return tail(self.launch.log)


def spawn(launch: Launch) -> Child:
    """Start a child in a session of its own, so that Ctrl-C reaches only us.

    Call it from a thread that lives as long as the child: the kernel ties the two together.

    Raises:
        LocalError: the program cannot be started.
    """
    with ExitStack() as files:
        log = files.enter_context(_fresh(launch.log))
        output = log if launch.output is None else files.enter_context(_fresh(launch.output))
        try:
            process = subprocess.Popen(  # noqa: S603 - argv is ours
                launch.argv,
                cwd=launch.directory,
                env=dict(launch.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
                umask=0o077,
                user=launch.uid,
                group=launch.gid,
                extra_groups=None if launch.uid is None else [],
                preexec_fn=_die_with_parent(launch.orphan_signal),  # noqa: PLW1509 - one thread
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise LocalError(f"{launch.name} ({launch.argv[0]}) did not start: {error}") from error
    return Child(launch, process)


def started_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[_STAT_STATE] in "ZX" else int(fields[_STAT_START_TICKS])


async def end(identities: Sequence[Identity], *, within_s: float) -> None:
    """End processes that are no children of ours: asked first, killed after `within_s`."""
    _signal_all(identities, signal.SIGTERM)
    try:
        async with asyncio.timeout(within_s):
            await _gone(identities)
    except TimeoutError:
        _signal_all(identities, signal.SIGKILL)
        async with asyncio.timeout(KILL_WAIT_S):
            await _gone(identities)


def tail(log: Path) -> str:
    """Return the last lines of a file, as text."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES_MAX))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LOG_TAIL_LINES_MAX:])


def bound_log(log: Path) -> None:
    """Keep a log that outgrew `LOG_BYTES_MAX` as `<name>.1`, let the file begin anew.

    The writer's descriptor appends, so it goes on at the new beginning.
    """
    try:
        if log.stat().st_size > LOG_BYTES_MAX:
            shutil.copy(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
    except FileNotFoundError:
        return


def _fresh(log: Path) -> BinaryIO:
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "ab")


def _die_with_parent(orphan_signal: int) -> Callable[[], None]:
    parent = os.getpid()

    def in_child() -> None:
        # After the change of user, since the kernel forgets the wish there.
        if _libc.prctl(_PR_SET_PDEATHSIG, orphan_signal, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)

    return in_child


def _signal_all(identities: Sequence[Identity], number: int) -> None:
    for identity in identities:
        if identity.alive:
            try:
                os.kill(identity.pid, number)
            except ProcessLookupError:
                continue  # it ended between the look and the signal


async def _gone(identities: Sequence[Identity]) -> None:
    while any(identity.alive for identity in identities):  # noqa: ASYNC110 - no children of ours
        await asyncio.sleep(POLL_S)
