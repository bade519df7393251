"""An environment per peer below build/, made once from its pinned requirements."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = Path(__file__).parent / "requirements"
ENVIRONMENTS = ROOT / "build" / "peers"
INSTALL_S_MAX = 600.0
PROBE_S_MAX = 20.0


class Absent(Exception):
    """The peer cannot be had here; the message says why."""


def python_of(peer: str) -> Path:
    """Return the interpreter of the peer's environment, made now where it is missing.

    Raises:
        Absent: no Python of the wanted version, or its packages do not install.
    """
    pinned = (REQUIREMENTS / f"{peer}.txt").read_text()
    home = ENVIRONMENTS / peer
    python, stamp = home / "bin" / "python", home / "peer.stamp"
    wanted = hashlib.sha256(pinned.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    versions = pinned.splitlines()[0].removeprefix("# python:").split()
    interpreter = _interpreter(versions)
    shutil.rmtree(home, ignore_errors=True)
    print(f"making {home.relative_to(ROOT)} ...", flush=True)
    _run([interpreter, "-m", "venv", str(home)])
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-compile",
        "--disable-pip-version-check",
    ]
    _run([str(python), *install, "-r", str(REQUIREMENTS / f"{peer}.txt")])
    stamp.write_text(wanted)
    return python


def _interpreter(versions: list[str]) -> str:
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in versions:
        managed = sorted(str(found) for found in kept.glob(f"{version}.*/bin/python"))
        for candidate in (
            sys.executable,
            f"python{version}",
            f"/usr/bin/python{version}",
            *managed,
        ):
            if _version_of(candidate) == version:
                return candidate
    raise Absent(f"needs Python {' or '.join(versions)}, which is not here")


def _version_of(candidate: str) -> str:
    asked = "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [candidate, "-I", "-c", asked], capture_output=True, text=True, check=False,
            timeout=PROBE_S_MAX,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_S_MAX
        )
    except subprocess.TimeoutExpired as error:
        raise Absent(f"not installed within {INSTALL_S_MAX:.0f} s") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        raise Absent((errors or lines or ["no reason given"])[-1][:200])
