"""Where PostgreSQL may keep its data, given who starts it."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from msgspec import Struct

from deploy.local.binaries import PostgresBinaries
from deploy.local.places import private_directory, short_hash, socket_directory, write_private
from deploy.local.processes import started_ticks
from shared.errors import LocalError

#: PostgreSQL refuses to run as root; this account exists everywhere and owns nothing.
UNPRIVILEGED_USER = "nobody"
_PREFIX = "tickflow-"
#: Says which directory a place serves.
_BELONGS_TO = "belongs-to"
#: The superuser's password: without it the data of an earlier run is lost anyway.
PASSWORD_FILE = "superuser.password"  # noqa: S105  # the name of the file
SOCKET_NAME = ".s.PGSQL.5432.lock"


class PostgresHome(Struct, frozen=True):
    """The directories and the user of one PostgreSQL server."""

    data: Path
    sockets: Path
    binaries: PostgresBinaries
    uid: int | None  # None: whoever we are
    gid: int | None
    outside: Path | None  # what lies outside the directory asked for


def settle(directory: Path, binaries: PostgresBinaries) -> PostgresHome:
    """Return where a server for `directory` lives, making what is missing.

    An ordinary user keeps everything inside. Root's own directories are closed to the
    unprivileged user that has to run the server, so its files lie in a directory of that
    user's own, named by the hash of `directory`; no existing permission is touched.

    Raises:
        LocalError: a place is not ours, or the unprivileged user is missing.
    """
    if os.geteuid() != 0:
        sockets = socket_directory(directory / "sock", longest_name=SOCKET_NAME)
        return PostgresHome(directory / "data", sockets, binaries, None, None, None)
    try:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError as error:
        raise LocalError(
            f"PostgreSQL does not run as root and there is no user {UNPRIVILEGED_USER}: "
            "run as an ordinary user, or set POSTGRES_URL to a server you have"
        ) from error
    place = outside_place(directory)
    _sweep(place.parent, user)
    if not (directory / PASSWORD_FILE).exists():
        # Somebody removed the state directory: its data would ask for a password nobody has.
        _discard(place, user)
    copied = place / binaries.root.parent.name / binaries.root.name
    if not place.exists():
        _make_place(place, directory, user, binaries)
    _check_place(place, user)
    if copied.is_dir():
        binaries = PostgresBinaries(root=copied, bin=copied / binaries.bin.name)
    return PostgresHome(place / "data", place / "sock", binaries, user.pw_uid, user.pw_gid, place)


def outside_place(directory: Path) -> Path:
    """Return the directory that root's server uses for `directory`."""
    parent = Path("/var/tmp")  # noqa: S108 - the name inside is checked to be ours
    if not parent.is_dir():
        parent = Path(tempfile.gettempdir())
    return parent / f"{_PREFIX}{short_hash(directory)}"


def remove(home: PostgresHome) -> None:
    """Remove the data and everything outside the directory asked for."""
    shutil.rmtree(home.data, ignore_errors=True)
    if home.outside is not None:
        shutil.rmtree(home.outside, ignore_errors=True)


def reachable(path: Path, user: pwd.struct_passwd) -> bool:
    """Say whether `user` may walk down to `path` without being root."""
    return all(_may_enter(parent.stat(), user) for parent in (path, *path.parents))


def _make_place(
    place: Path, directory: Path, user: pwd.struct_passwd, binaries: PostgresBinaries
) -> None:
    # Everything happens while the directory is root's and closed; the last step names it.
    staging = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        private_directory(staging / "sock")
        write_private(staging / _BELONGS_TO, str(directory.resolve()))
        if not reachable(binaries.bin.resolve(), user):
            _copy(binaries, staging)
        for found, directories, files in os.walk(staging):
            for name in (*directories, *files):
                os.chown(Path(found) / name, user.pw_uid, user.pw_gid, follow_symlinks=False)
        os.chown(staging, user.pw_uid, user.pw_gid)
        staging.rename(place)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise LocalError(f"{place} cannot be made for PostgreSQL: {error.strerror}") from error


def _copy(binaries: PostgresBinaries, staging: Path) -> None:
    package = binaries.root.parent
    shutil.copytree(binaries.root, staging / package.name / binaries.root.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps what it links to
    if libraries.is_dir():
        shutil.copytree(libraries, staging / libraries.name, symlinks=True)


def _sweep(parent: Path, user: pwd.struct_passwd) -> None:
    """Remove places whose state directory is gone, as after tests that were killed."""
    for place in parent.glob(f"{_PREFIX}*"):
        try:
            owner = (place / _BELONGS_TO).read_text()
            ours = place.lstat().st_uid == user.pw_uid and not place.is_symlink()
        except (OSError, ValueError):
            continue
        if ours and not Path(owner).exists():
            _discard(place, user)


def _discard(place: Path, user: pwd.struct_passwd) -> None:
    """Remove a place of ours that no server uses."""
    if place.is_symlink() or not place.is_dir() or place.lstat().st_uid != user.pw_uid:
        return
    if not _serves(place / "data"):
        shutil.rmtree(place, ignore_errors=True)


def _serves(data: Path) -> bool:
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return False
    # Of a server that was killed the file stays behind.
    return started_ticks(pid) is not None


def _check_place(place: Path, user: pwd.struct_passwd) -> None:
    found = place.lstat()
    closed = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700  # noqa: PLR2004
    if not closed or found.st_uid != user.pw_uid:
        raise LocalError(
            f"{place} is not a 0700 directory of user {user.pw_name}: look who made it, remove it"
        )


def _may_enter(found: os.stat_result, user: pwd.struct_passwd) -> bool:
    if found.st_uid == user.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == user.pw_gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)
