"""Where a pipeline that runs on this machine is found."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: Names the directory of a local run; the run itself reads it as its own setting.
STATE_DIR_VARIABLE: Final = "TICKFLOW_LOCAL__STATE_DIR"
ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: Settings of the operator, written by the run, and who holds the directory.
OPERATOR_FILE: Final = "operator.env"
OWNER_FILE: Final = "owner.lock"
_FILE_SUFFIX: Final = "_FILE"


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory in which a local run keeps its files."""
    return Path(environ.get(STATE_DIR_VARIABLE) or ROOT / ".tickflow").expanduser()


def operator_environment(directory: Path) -> dict[str, str]:
    """Return the settings a live run wrote for its operator; empty where none runs."""
    if not is_running(directory):
        return {}
    try:
        return parse((directory / OPERATOR_FILE).read_text())
    except OSError:
        return {}


def is_running(directory: Path) -> bool:
    """Tell whether the process that took the directory is alive."""
    try:
        pid = int((directory / OWNER_FILE).read_text())
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True


def parse(text: str) -> dict[str, str]:
    """Read `NAME='value'` lines as a shell would; anything else is skipped."""
    words = shlex.split(text, comments=True)
    pairs = (word.partition("=") for word in words)
    return {name: value for name, equals, value in pairs if equals and name.isidentifier()}


def beneath(environ: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with what it leaves open taken from `found`.

    A secret may be given as itself or as a file: either one in `environ` decides.
    """
    given = {name.removesuffix(_FILE_SUFFIX) for name in environ}
    open_ones = {
        name: value for name, value in found.items() if name.removesuffix(_FILE_SUFFIX) not in given
    }
    return {**open_ones, **environ}
