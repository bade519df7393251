"""The one sentence somebody gets where the environment cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import bootstrap
from deploy.bootstrap import CannotStart, _why_pip_failed

SOURCE = Path(bootstrap.__file__)


def _checkout(directory: Path) -> Path:
    (directory / "deploy").mkdir()
    shutil.copy(SOURCE, directory / "deploy")
    (directory / "deploy" / "requirements.lock").write_text(
        "nowhere-to-be-found==1.0 --hash=sha256:" + "0" * 64 + "\n"
    )
    return directory


def _run(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "deploy" / "bootstrap.py"],
        env={"PATH": os.defpath, "HOME": str(checkout), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_an_index_that_cannot_be_reached_is_one_sentence_and_no_stamp(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    done = _run(checkout, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0")
    assert done.returncode == 2
    assert done.stderr.startswith("tickflow: the package index cannot be reached")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (checkout / ".venv" / "tickflow.stamp").exists()


def test_a_venv_directory_that_is_none_is_not_touched(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "precious").write_text("mine")
    done = _run(checkout)
    assert done.returncode == 2
    assert "is not a virtual environment: move it away" in done.stderr
    assert (checkout / ".venv" / "precious").exists()


def test_a_stamp_of_another_lock_is_not_trusted(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "tickflow.stamp").write_text("0" * 64 + "\n3.11\n")
    assert _run(checkout).returncode == 2


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (b"ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one that was locked"),
        (b"OSError: [Errno 28] No space left on device", "the disk is full"),
        (b"ERROR: No matching distribution found for x", "cannot be reached or lacks a package"),
        (b"ERROR: something odd", "could not be installed \\(ERROR: something odd\\)"),
        (b"", "no reason given"),
    ],
)
def test_pip_s_failures_are_told_apart(output: bytes, sentence: str) -> None:
    with pytest.raises(CannotStart, match=sentence):
        raise CannotStart(_why_pip_failed(output))


def test_a_name_that_fails_when_run_is_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert bootstrap._probe(str(shim)) == []
    assert bootstrap._probe(str(tmp_path / "absent")) == []
    assert bootstrap._probe(sys.executable)[-1] == "venv"
