"""Where compiled kernels are kept between starts, decided before numba is imported."""

from __future__ import annotations

import os
import pathlib

from shared.runtime.process import (
    NUMBA_CACHE_PREFIX,
    NUMBA_CACHE_VARIABLE,
    name_numba_cache,
)

_ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Everything whose edit changes compiled code; numba itself looks only at the outermost file.
COMPILED_SOURCES = (
    _ROOT / "enrich" / "kernels",
    _ROOT / "publisher" / "fanout" / "kernels",
    _ROOT / "shared" / "kite" / "codec",
    _ROOT / "shared" / "wire" / "layout.py",
    _ROOT / "shared" / "wire" / "ticks.py",
)


def prepare_numba_cache() -> pathlib.Path:
    """Point numba at its cache; call it before the first import that compiles.

    The folder lies below NUMBA_CACHE_DIR where the operator set it, else below the user's cache.
    """
    return name_numba_cache(cache_root(os.environ), COMPILED_SOURCES)


def cache_root(environ: os._Environ[str] | dict[str, str]) -> pathlib.Path:
    """Return the folder under which the caches of all versions lie."""
    if named := environ.get(NUMBA_CACHE_VARIABLE):
        path = pathlib.Path(named)
        # A process of ours that started this one has named the folder of its own version.
        return path.parent if path.name.startswith(NUMBA_CACHE_PREFIX) else path
    if cache := environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(cache) / "tickflow"
    return pathlib.Path(environ.get("HOME") or "/nonexistent") / ".cache" / "tickflow"
