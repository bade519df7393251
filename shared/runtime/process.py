"""What a process arranges with its machine before its work begins."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import signal
import stat
import sys
import tempfile
from collections.abc import Container, Iterable, Iterator, MutableMapping
from typing import Final

from shared.errors import LocalError
from shared.runtime.logs import get_log

NUMBA_CACHE_VARIABLE: Final = "NUMBA_CACHE_DIR"
NUMBA_CACHE_PREFIX: Final = "numba-"
_COMPILERS: Final = ("numba", "llvmlite", "numpy")
#: From linux/prctl.h.
_PR_SET_PDEATHSIG: Final = 1
_PRIVATE: Final = 0o700
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def exit_with_parent(parent_pid: int = 0) -> None:
    """Have the kernel send this process SIGTERM when its parent dies, however it dies.

    `parent_pid` is the parent one expects, 0 for whoever it is now: with it, a parent that died
    before this call is noticed too.

    Raises:
        LocalError: not on Linux, or the parent is already gone.
    """
    if not sys.platform.startswith("linux"):
        msg = "--exit-with-parent needs Linux"
        raise LocalError(msg)
    expected = parent_pid or os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
        msg = f"prctl refused the parent's death signal: {os.strerror(ctypes.get_errno())}"
        raise LocalError(msg)
    if os.getppid() != expected:
        msg = f"the parent process {expected} is already gone"
        raise LocalError(msg)


def name_numba_cache(
    root: pathlib.Path,
    sources: Iterable[pathlib.Path],
    *,
    environ: MutableMapping[str, str] = os.environ,
    imported: Container[str] = sys.modules,
) -> pathlib.Path:
    """Point numba at a cache that belongs to exactly these sources and compilers.

    numba does not notice edits in functions that a cached one calls, so the directory is named
    by a hash of all sources (files, or folders of `.py` files) and versions. Where `root` cannot
    be used the cache is a private temporary directory and every start compiles anew.

    Raises:
        RuntimeError: numba was imported before; it reads the variable only then.
    """
    if "numba" in imported:
        msg = "name_numba_cache must be called before numba is imported"
        raise RuntimeError(msg)
    directory = root / f"{NUMBA_CACHE_PREFIX}{_fingerprint(sources)}"
    try:
        _make_private(directory)
    except OSError as error:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="tickflow-numba-"))
        reason = error.strerror or str(error)
        get_log().warning("numba_cache.unusable", root=str(root), reason=reason)
    environ[NUMBA_CACHE_VARIABLE] = str(directory)
    return directory


def _fingerprint(sources: Iterable[pathlib.Path]) -> str:
    digest = hashlib.sha256(f"{platform.python_version()} {platform.machine()}".encode())
    for compiler in _COMPILERS:
        digest.update(f" {compiler} {importlib.metadata.version(compiler)}".encode())
    for source in sources:
        for file in _files(source):
            content = file.read_bytes()
            digest.update(f"\0{file.name} {len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _files(source: pathlib.Path) -> Iterator[pathlib.Path]:
    if source.is_dir():
        yield from sorted(source.rglob("*.py"))
    else:
        yield source


def _make_private(directory: pathlib.Path) -> None:
    """Make the directory, or accept it only if nobody else can write what we would execute."""
    directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = directory.stat()
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        msg = f"{directory} can be written by somebody else"
        raise PermissionError(msg)
    if not os.access(directory, os.W_OK | os.X_OK):
        msg = f"{directory} is not writable"
        raise PermissionError(msg)
