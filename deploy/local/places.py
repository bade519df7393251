"""Directories that only their owner may enter."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from shared.errors import LocalError

#: Kernel limit of a UNIX socket's path (sun_path is 108 bytes with its final zero).
SOCKET_PATH_BYTES_MAX = 100


def private_directory(path: Path) -> Path:
    """Make `path` with what is missing above it, all of mode 0700.

    Raises:
        LocalError: it belongs to somebody else, is no directory, or cannot be made.
    """
    try:
        for missing in [each for each in reversed(path.parents) if not each.exists()]:
            missing.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        reason = error.strerror or str(error)
        raise LocalError(
            f"directory {path} cannot be made ({reason}): set TICKFLOW_LOCAL__STATE_DIR "
            "to a place you may write to"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise LocalError(
            f"{path} is not a directory of user {os.geteuid()}: remove it "
            "or set TICKFLOW_LOCAL__STATE_DIR to another place"
        )
    if stat.S_IMODE(found.st_mode) != 0o700:  # noqa: PLR2004 - a mode is read as octal digits
        path.chmod(0o700)
    return path


def socket_directory(wanted: Path, *, longest_name: str) -> Path:
    """Return a 0700 directory whose sockets have paths the kernel accepts.

    It is `wanted` where `longest_name` fits; a deep checkout gets a short directory named
    by the hash of `wanted`, so that the next start finds the same one.
    """
    if len(os.fsencode(wanted / longest_name)) <= SOCKET_PATH_BYTES_MAX:
        return private_directory(wanted)
    parent = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return private_directory(parent / f"tickflow-{os.geteuid()}-{short_hash(wanted)}")


def short_hash(path: Path) -> str:
    """Return twelve hex digits that stand for a path, whatever the working directory."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # 0600 by nature
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
